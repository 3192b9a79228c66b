using System.Globalization;

namespace PCache.Tool.Tests;

/// <summary>
/// A backing or an output that fills up: "refused" (3) only where nothing was done; else 1, with what was done, what is
/// safe and what to do.
/// </summary>
public sealed class FailingMediumTests : IDisposable
{
    private const int Length = 8 << 20;
    private readonly ToolDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData(0, 3)]
    [InlineData(1, 1)]
    [InlineData(int.MaxValue, 1)]
    public void Work_that_a_medium_ends_is_refused_only_if_nothing_was_done(int doneBytes, int exitCode)
    {
        ToolException error = ErrorReport.Unfinished(new IOException("No space left on device"), doneBytes,
            "So much was written.", "Make room.");
        Assert.Equal(exitCode, error.ExitCode);
        Assert.Equal(doneBytes > 0, error.Message.Contains("So much was written.", StringComparison.Ordinal));
        Assert.DoesNotContain("Nothing more", error.Message, StringComparison.Ordinal);
        Assert.EndsWith("Make room.", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_backing_that_fills_up_during_writeback_and_apply_is_told_with_what_was_written()
    {
        using var small = new SmallFileSystem(_directory["small"], 4 << 20);
        if (!small.IsThere)
        {
            return; // needs the right to mount
        }

        _directory.Zeros("small/B", Length);
        _directory.Write("I", SectorPattern.Make(0, (6 << 20) / 512, 3));
        Run("format C --size 16M --segment-size 256K --data-crc").Expect(0);
        Run("write C small/B --input I").Expect(0);
        Run("export C --output E --list L").Expect(0);

        ToolRun writeback = Run("writeback C small/B");
        Partly(writeback, 1);
        Assert.Contains("stay dirty in the cache, where they are safe", writeback.Error, StringComparison.Ordinal);
        Run("check C").Expect(0);

        Partly(Run("apply E small/B --list L"), 1);

        // Now there is no room at all.
        File.Delete(_directory["small/B"]);
        _directory.Zeros("small/B", Length);
        _directory.Write("small/F", new byte[3 << 20]);
        using (var fill = new FileStream(_directory["small/G"], FileMode.Create))
        {
            try
            {
                while (true)
                {
                    fill.Write(new byte[4096]);
                    fill.Flush();
                }
            }
            catch (IOException)
            {
            }
        }

        Partly(Run("apply E small/B --list L"), 3);
        Partly(Run("writeback C small/B --any-backing"), 3);

        // A rescue, too.
        File.Delete(_directory["small/F"]);
        using (var cache = new FileStream(_directory["C"], FileMode.Open))
        {
            cache.Position = 4096;
            cache.Write(new byte[4096]);
        }

        Partly(Run("writeback C small/B --rescue --any-backing"), 1);

        // With room, all goes on.
        File.Delete(_directory["small/B"]);
        File.Delete(_directory["small/G"]);
        _directory.Zeros("B", Length);
        Run("apply E B --list L").Expect(0);
        Assert.Equal(File.ReadAllBytes(_directory["I"]), File.ReadAllBytes(_directory["B"])[..(6 << 20)]);
    }

    [Fact]
    public void A_full_standard_output_is_told_with_what_was_written()
    {
        _directory.Zeros("B", Length);
        Run("format C --size 1M --segment-size 64K").Expect(0);
        Run("bind C B").Expect(0);
        foreach ((int room, int exitCode) in new[] { (0, 3), (3 << 20, 1) })
        {
            using var output = new StringWriter();
            using var error = new StringWriter();
            var context = new ToolContext
            {
                Out = output,
                Error = error,
                OpenInput = () => Stream.Null,
                OpenOutput = () => new FillingStream(room)
            };
            Assert.Equal(exitCode, PCacheCommand.Invoke(["read", _directory["C"], _directory["B"], "--output", "-"],
                context));
            Assert.Contains(room == 0 ? "Nothing was written"
                : "3145728 bytes were written to the output", error.ToString(), StringComparison.Ordinal);
        }

        if (Path.Exists("/dev/full"))
        {
            ToolRun.Run("read", _directory["C"], _directory["B"], "--output", "/dev/full")
                .ExpectError(3, "Nothing was written");
            ToolRun.Run("read", _directory["C"], _directory["B"], "--output", "/dev/null").Expect(0);
            ToolRun.Run("export", _directory["C"], "--output", "/dev/null").ExpectError(3, "has holes");
        }
    }

    private static void Partly(ToolRun run, int exitCode)
    {
        run.ExpectError(exitCode);
        Assert.DoesNotContain("Nothing more was done", run.Error, StringComparison.Ordinal);
        Assert.Contains(exitCode == 3 ? "Nothing was written"
            : "written to the backing", run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain(" 0 bytes were written", run.Error, StringComparison.Ordinal);
        Assert.Contains("run the command again", run.Error, StringComparison.Ordinal);
    }

    private ToolRun Run(string line) => ToolRun.Run([.. line.Split(' ').Select(word =>
        word.Length == 1 || word.StartsWith("small/", StringComparison.Ordinal) ? _directory[word]
            : word.ToString(CultureInfo.InvariantCulture))]);

    private sealed class FillingStream(long room) : MemoryStream
    {
        public override void Write(ReadOnlySpan<byte> buffer)
        {
            if (Length + buffer.Length > room)
            {
                throw new IOException("No space left on device");
            }

            base.Write(buffer);
        }
    }
}
