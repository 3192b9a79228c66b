using System.Text.RegularExpressions;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Architecture;

/// <summary>
/// Every wait that <see cref="Thread.Interrupt"/> can end stands here, with the reason why that is safe; all others
/// are those of <c>SteadyLock</c>, <c>Latch</c> and <c>Uninterrupted</c>. So
/// no lock is added or a wait that loses something when its thread is interrupted without having thought of it.
/// </summary>
public sealed partial class WaitTests
{
    private static readonly Dictionary<string, (int Waits, string Why)> Known = new()
    {
        ["PCache.Core/Primitives/SteadyLock.cs"] = (1, "is what makes it safe"),
        ["PCache.Core/Primitives/Uninterrupted.cs"] = (5, "is what makes it safe"),
        ["PCache.Core/Primitives/AsyncGate.cs"] =
            (1, "the wait for the gate: who is interrupted leaves the queue and passes the wake-up on"),
        ["PCache.Core/Files/FileLock.cs"] = (1, "nothing has been changed yet"),
        ["PCache.Core/Backing/FileClaim.cs"] = (1, "goes on through interrupts: half a second at most"),
        ["PCache.Core/Upkeep/SpaceQueue.cs"] =
            (2, "the wait for room: who is interrupted leaves the queue, as all others do"),
        ["PCache.Core/Engine/RoomWait.cs"] = (1, "the same"),
        ["PCache.Core/Engine/WaitingWrites.cs"] = (1, "the same"),
        ["PCache.Core/Opening/ReplayIndexer.cs"] = (1, "who is interrupted looks anew, and remembers it"),
        ["PCache.Core/Opening/BackingRecognition.cs"] = (1, "nothing has been changed yet"),
        ["PCache.Core/Upkeep/Maintenance.cs"] = (1,
            "a drain or a truncation waits for write-back: its request is withdrawn, and the next change of length "
            + "finishes it"),
        ["PCache.Core/Engine/LoggedGrowth.cs"] = (1, "the queue is left however it ends"),
        ["PCache.Core/Engine/DeviceLength.cs"] =
            (3, "of bodies that block instead of suspending, so they have completed"),
        ["PCache.Core/AtomicBatch.cs"] = (1, "the same"),
        ["PCache.Core/Engine/AtomicPath.cs"] = (1, "the queue is left, and all room given back, however it ends"),
        ["PCache.Core/Engine/DrainPath.cs"] = (1, "of bodies that block instead of suspending, so they have completed"),
        ["PCache.Core/Engine/SavingSteps.cs"] = (2, "of tasks that have completed"),
        ["PCache.Core/Writeback/BackingWriter.cs"] = (1, "of a task that has completed"),
        ["PCache.Core/PCacheStream.Closing.cs"] = (1, "of a task that has completed"),
        ["PCache.Core/PCacheStream.Writing.cs"] = (1, "of a task that has completed"),
        ["PCache.DependencyInjection/DeviceRegistry.cs"] = (1, "of a task that has completed"),
    };

    [Fact]
    public void Every_wait_that_can_be_interrupted_is_known()
    {
        var found = new SortedDictionary<string, List<string>>(StringComparer.Ordinal);
        foreach (string project in (string[])["PCache.Core", "PCache.DependencyInjection"])
        {
            string root = Path.Combine(RepositoryPaths.Root, "src", project);
            foreach (string file in Directory.EnumerateFiles(root, "*.cs", SearchOption.AllDirectories))
            {
                string relative = project + "/"
                    + Path.GetRelativePath(root, file).Replace(Path.DirectorySeparatorChar, '/');
                if (relative.Contains("/obj/", StringComparison.Ordinal)
                    || relative.Contains("/bin/", StringComparison.Ordinal))
                {
                    continue;
                }

                foreach (string line in File.ReadLines(file))
                {
                    if (Wait().IsMatch(Comment().Replace(line, "")))
                    {
                        if (!found.TryGetValue(relative, out List<string>? lines))
                        {
                            found[relative] = lines = [];
                        }

                        lines.Add(line.Trim());
                    }
                }
            }
        }

        string[] wrong =
        [
            .. found.Where(f => !Known.TryGetValue(f.Key, out (int Waits, string Why) known)
                || known.Waits != f.Value.Count)
                .Select(f =>
                    $"{f.Key}: {f.Value.Count}, known {Known.GetValueOrDefault(f.Key).Waits}: "
                    + $"{string.Join(" | ", f.Value)}"),
            .. Known.Keys.Where(known => !found.ContainsKey(known)).Select(known => $"{known} has none any more"),
        ];
        Assert.True(wrong.Length == 0, "Take SteadyLock or Uninterrupted, or say here why an interrupt is safe:\n"
            + string.Join("\n", wrong));
    }

    [GeneratedRegex(
        @"\block\s*\(|\bnew Lock\b|\bLock _?\w+ = |\bMonitor\.(Enter|TryEnter|Wait)\b|\bnew SemaphoreSlim"
        + @"|\bSemaphoreSlim _?\w+ = |ManualResetEventSlim|CountdownEvent|ReaderWriterLock|\bBarrier\b"
        + @"|\bThread\.Sleep|SpinUntil|\bTask\.Wait(All|Any)\b|(?<!Uninterrupted)(?<!Async)(?<!close)\.Wait(One)?\("
        + @"|(?<!string)(?<!Uninterrupted)\.Join\(|\.GetAwaiter\(\)\.GetResult\(\)")]
    private static partial Regex Wait();

    [GeneratedRegex(@"//.*$")]
    private static partial Regex Comment();
}
