using System.Diagnostics;
using PCache.Core.Pmem;
using PCache.Core.Tests.Support;
using PCache.Tool.Kills;

namespace PCache.Core.Tests.Pmem;

/// <summary>A cache in memory that is larger than what there is of it is refused, with both figures, before any of it is taken: nobody is killed for it.</summary>
public sealed class MemoryRoomTests
{
    [MountFact("mount")]
    public void A_file_larger_than_its_tmpfs_is_refused()
    {
        using var mount = Mount.Of("tmpfs", "-o", "size=8m");
        PCacheException e = Assert.ThrowsAny<PCacheException>(() => PmemFile.Create(mount["c"], 12 << 20));
        Assert.Contains("tmpfs", e.Message, StringComparison.Ordinal);
        Assert.Contains("12 MiB", e.Message, StringComparison.Ordinal);
        Assert.Contains("8 MiB", e.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFileSystemEntries(mount.Folder));
        File.WriteAllBytes(mount["c"], []);
        Assert.ThrowsAny<PCacheException>(() => PmemFile.OpenOrCreate(mount["c"], 12 << 20));
        Assert.Equal(0, new FileInfo(mount["c"]).Length);

        // What has its memory already asks for none.
        using (PmemFile.OpenOrCreate(mount["c"], 6 << 20))
        {
        }

        using PmemRegion again = PmemFile.Open(mount["c"]);
        Assert.Equal(6 << 20, again.LengthBytes);
    }

    [MountFact("mount")]
    public void A_file_larger_than_the_machine_is_refused_on_a_ramfs_that_has_no_limit()
    {
        using var mount = Mount.Of("ramfs");
        long machine = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        PCacheException e = Assert.ThrowsAny<PCacheException>(() => PmemFile.Create(mount["c"], machine * 4));
        Assert.Contains("ramfs", e.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFileSystemEntries(mount.Folder));
        using PmemRegion small = PmemFile.Create(mount["c"], 1 << 20);
        small.Write(0, [1]);
    }

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
        private readonly string _folder = Path.Combine(MemoryGroupTheoryAttribute.Top!, $"pcache-test-{Guid.NewGuid():N}");

        public MemoryGroup(string limit)
        {
            Directory.CreateDirectory(_folder);
            File.WriteAllText(Path.Combine(_folder, MemoryGroupTheoryAttribute.LimitFile), limit);
        }

        public (int ExitCode, string Error) Run(params string[] arguments)
        {
            ProcessStartInfo self = SelfProcess.CreateStartInfo(arguments);
            var start = new ProcessStartInfo("/bin/sh", ["-c", "echo $$ > \"$0/cgroup.procs\" && exec \"$@\"", _folder, self.FileName, .. self.ArgumentList])
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
            Skip = "Memory groups can't be made here (needs Linux, root, and cgroups of version 1 or 2 with the memory controller).";
        }
    }

    public static string? Top => Found.Top;

    public static string LimitFile => Found.LimitFile;

    private static (string? Top, string LimitFile) Find()
    {
        foreach ((string top, string file) in new[] { ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max") })
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
