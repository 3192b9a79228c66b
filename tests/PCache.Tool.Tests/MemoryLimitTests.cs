using System.Diagnostics;
using PCache.Tool.Kills;

namespace PCache.Tool.Tests;

/// <summary>
/// A cache in memory that is larger than the container's limit is refused with both figures: no process is killed for
/// it.
/// </summary>
public sealed class MemoryLimitTests
{
    [MemoryGroupTheory]
    [InlineData("150M", "384M", 3)]
    [InlineData("300M", "65M", 0)]
    public void In_a_container_the_limit_decides(string limit, string size, int exitCode)
    {
        using var group = new MemoryGroup(limit);
        string image = $"/dev/shm/pcache-test-{Guid.NewGuid():N}";
        try
        {
            (int code, string error) = group.Run("format", image, "--size", size);
            Assert.True((exitCode == 0) == (code == 0) && code < 128, $"exit code {code}: {error}");
            if (exitCode != 0)
            {
                Assert.Contains("150 MiB", error, StringComparison.Ordinal);
                Assert.Contains("384 MiB", error, StringComparison.Ordinal);
                Assert.False(File.Exists(image));
            }
        }
        finally
        {
            File.Delete(image);
        }
    }

    private sealed class MemoryGroup : IDisposable
    {
        private readonly string _folder =
            Path.Combine(MemoryGroupTheoryAttribute.Top!, $"pcache-test-{Guid.NewGuid():N}");

        public MemoryGroup(string limit)
        {
            Directory.CreateDirectory(_folder);
            File.WriteAllText(Path.Combine(_folder, MemoryGroupTheoryAttribute.LimitFile), limit);
        }

        public (int ExitCode, string Error) Run(params string[] arguments)
        {
            ProcessStartInfo self = SelfProcess.CreateStartInfo(arguments);
            var start = new ProcessStartInfo("/bin/sh",
                ["-c", "echo $$ > \"$0/cgroup.procs\" && exec \"$@\"", _folder, self.FileName, .. self.ArgumentList])
            {
                RedirectStandardError = true,
                RedirectStandardOutput = true,
            };
            using Process process = Process.Start(start)!;
            string error = process.StandardError.ReadToEnd();
            process.WaitForExit();
            return (process.ExitCode, error);
        }

        public void Dispose()
        {
            for (int i = 0; i < 50; i++)
            {
                try
                {
                    Directory.Delete(_folder);
                    return;
                }
                catch (IOException)
                {
                    Thread.Sleep(20);
                }
            }
        }
    }
}

/// <summary>Runs where memory groups can be made (Linux, as root, either version of control groups).</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class MemoryGroupTheoryAttribute : TheoryAttribute
{
    private static readonly (string? Top, string LimitFile) Found = Find();

    public MemoryGroupTheoryAttribute()
    {
        if (Top is null)
        {
            Skip = "Memory groups can't be made here (needs Linux, root, and cgroups of version 1 or 2 with the "
                + "memory controller).";
        }
    }

    public static string? Top => Found.Top;

    public static string LimitFile => Found.LimitFile;

    private static (string? Top, string LimitFile) Find()
    {
        foreach ((string top, string file) in new[] { ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            ("/sys/fs/cgroup", "memory.max") })
        {
            string probe = Path.Combine(top, $"pcache-probe-{Guid.NewGuid():N}");
            try
            {
                Directory.CreateDirectory(probe);
                bool works = File.Exists(Path.Combine(probe, file));
                Directory.Delete(probe);
                if (works)
                {
                    return (top, file);
                }
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
            }
        }

        return (null, "");
    }
}
