using PCache.Core.Pmem;

namespace PCache.Core.Tests.Pmem;

/// <summary>
/// What memory is left to a process, from the texts that Linux has: both versions of control groups, namespaces, nested
/// groups, swap, and texts that say nothing.
/// </summary>
public sealed class MemoryLimitsTests
{
    private const long Mi = 1 << 20;
    private const string Mounts =
        """
        24 1 254:0 / / rw,relatime - ext4 /dev/root rw
        31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
        35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory
        41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw

        """;

    [Fact]
    public void Version_1_limits_count_up_to_the_top()
    {
        var files = new Dictionary<string, string>
        {
            ["/proc/self/cgroup"] = "9:name=systemd:/\n4:memory:/a/b:c\n3:cpu,cpuacct:/\n0::/\n",
            ["/proc/self/mountinfo"] = Mounts,
            ["/proc/meminfo"] = Meminfo(available: 5000, swap: 0),
            ["/sys/fs/cgroup/memory/a/b:c/memory.limit_in_bytes"] = "9223372036854771712\n",
            ["/sys/fs/cgroup/memory/a/b:c/memory.usage_in_bytes"] = $"{20 * Mi}\n",
            ["/sys/fs/cgroup/memory/a/memory.limit_in_bytes"] = $"{150 * Mi}\n",
            ["/sys/fs/cgroup/memory/a/memory.usage_in_bytes"] = $"{100 * Mi}\n",
            ["/sys/fs/cgroup/memory/a/memory.stat"] =
                $"cache 1\ntotal_cache {80 * Mi}\ntotal_inactive_file {30 * Mi}\ntotal_active_file "
                + $"{10 * Mi}\ntotal_shmem {40 * Mi}\n",
            ["/sys/fs/cgroup/memory/memory.limit_in_bytes"] = "9223372036854771712\n",
            ["/sys/fs/cgroup/memory/memory.usage_in_bytes"] = $"{900 * Mi}\n",
        };
        Assert.Equal(new MemoryLimit("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", 150 * Mi, 90 * Mi),
            Tightest(files));
    }

    [Fact]
    public void Version_2_limits_count_up_to_the_top()
    {
        var files = new Dictionary<string, string>
        {
            ["/proc/self/cgroup"] = "0::/a/b\n",
            ["/proc/self/mountinfo"] = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n",
            ["/proc/meminfo"] = Meminfo(available: 5000, swap: 0),
            ["/sys/fs/cgroup/a/b/memory.max"] = "max\n",
            ["/sys/fs/cgroup/a/b/memory.current"] = $"{20 * Mi}\n",
            ["/sys/fs/cgroup/a/memory.max"] = $"{200 * Mi}\n",
            ["/sys/fs/cgroup/a/memory.current"] = $"{150 * Mi}\n",
            ["/sys/fs/cgroup/a/memory.stat"] =
                $"anon 5\nfile {90 * Mi}\ninactive_file {40 * Mi}\nactive_file {9 * Mi}\nslab_reclaimable "
                + $"{Mi}\nshmem {41 * Mi}\n",
        };
        Assert.Equal(new MemoryLimit("/sys/fs/cgroup/a/memory.max", 200 * Mi, 100 * Mi), Tightest(files));
        files["/sys/fs/cgroup/a/b/memory.max"] = $"{21 * Mi}\n";
        Assert.Equal(new MemoryLimit("/sys/fs/cgroup/a/b/memory.max", 21 * Mi, Mi), Tightest(files));
    }

    [Theory]
    [InlineData("/docker/abc", "/docker/abc", "/sys/fs/cgroup/memory")] // the container's group is mounted as the top
    [InlineData("/docker/abc", "/docker/abc/inner", "/sys/fs/cgroup/memory/inner")]
    [InlineData("/docker/abc", "/docker/abcdef", "/sys/fs/cgroup/memory")] // another group that only begins alike
    [InlineData("/", "/../../other", "/sys/fs/cgroup/memory")] // outside of the namespace
    [InlineData("/", "/", "/sys/fs/cgroup/memory")]
    [InlineData("/with\\040blank", "/with blank/x", "/sys/fs/cgroup/memory/x")]
    public void A_group_is_found_below_what_is_mounted(string root, string path, string folder)
    {
        string mounts = $"35 31 0:32 {root} /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
        Assert.Equal(new MemoryGroup(false, "/sys/fs/cgroup/memory", folder),
            Assert.Single(MemoryLimits.Groups($"4:memory:{path}\n", mounts)));
    }

    [Fact]
    public void Mount_points_with_blanks_are_unescaped() =>
        Assert.Equal(
            "/mnt/c group\\/a",
            Assert.Single(MemoryLimits.Groups("0::/a\n",
                "30 23 0:26 / /mnt/c\\040group\\134 rw - cgroup2 none rw\n")).Folder);

    [Theory]
    [InlineData(1000, null, null, 60)] // all of the machine's swap
    [InlineData(1000, "max", null, 60)]
    [InlineData(1000, "5242880", "1048576", 54)] // what its own limit leaves
    [InlineData(2, "5242880", "0", 52)]
    [InlineData(1000, "1", "5", 50)]
    public void What_can_be_swapped_out_is_room(int swapFree, string? max, string? current, long room)
    {
        var files = new Dictionary<string, string>
        {
            ["/proc/self/cgroup"] = "0::/a\n",
            ["/proc/self/mountinfo"] = "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
            ["/proc/meminfo"] = Meminfo(available: 5000, swap: Math.Min(swapFree, 10)),
            ["/sys/fs/cgroup/a/memory.max"] = $"{100 * Mi}\n",
            ["/sys/fs/cgroup/a/memory.current"] = $"{50 * Mi}\n",
        };
        Add("memory.swap.max", max);
        Add("memory.swap.current", current);
        Assert.Equal(room * Mi, Tightest(files)!.RoomBytes);
        Assert.Equal(50 * Mi, MemoryLimits.Tightest(files.GetValueOrDefault, canSwap: false,
            withMachine: true)!.RoomBytes);

        void Add(string name, string? text)
        {
            if (text is not null)
            {
                files[$"/sys/fs/cgroup/a/{name}"] = text;
            }
        }
    }

    [Fact]
    public void Version_1_counts_memory_and_swap_together_where_it_is_told_to()
    {
        var files = new Dictionary<string, string>
        {
            ["/proc/self/cgroup"] = "4:memory:/a\n",
            ["/proc/self/mountinfo"] = Mounts,
            ["/proc/meminfo"] = Meminfo(available: 5000, swap: 900),
            ["/sys/fs/cgroup/memory/a/memory.limit_in_bytes"] = $"{100 * Mi}\n",
            ["/sys/fs/cgroup/memory/a/memory.usage_in_bytes"] = $"{50 * Mi}\n",
            ["/sys/fs/cgroup/memory/a/memory.memsw.limit_in_bytes"] = $"{120 * Mi}\n",
            ["/sys/fs/cgroup/memory/a/memory.memsw.usage_in_bytes"] = $"{60 * Mi}\n",
        };
        Assert.Equal(60 * Mi, Tightest(files)!.RoomBytes);
    }

    [Fact]
    public void The_machine_counts_where_it_is_asked()
    {
        var files = new Dictionary<string, string> { ["/proc/meminfo"] = Meminfo(available: 300, swap: 20) };
        Assert.Equal(new MemoryLimit("/proc/meminfo", 8000 * Mi, 320 * Mi), Tightest(files));
        Assert.Null(MemoryLimits.Tightest(files.GetValueOrDefault, canSwap: true, withMachine: false));
    }

    [Theory]
    [InlineData("")]
    [InlineData("nonsense\n::\n4:memory\n")]
    [InlineData("4:memory:/nowhere\n0::/\n")]
    public void Texts_that_say_nothing_limit_nothing(string cgroup)
    {
        var files = new Dictionary<string, string>
        {
            ["/proc/self/cgroup"] = cgroup,
            ["/proc/self/mountinfo"] = Mounts + "garbage\n1 2 3 - \n",
            ["/sys/fs/cgroup/memory/nowhere/memory.limit_in_bytes"] = "-5\n",
            ["/sys/fs/cgroup/memory/nowhere/memory.usage_in_bytes"] = "x\n",
            ["/proc/meminfo"] = "MemAvailable: 99999999999999999999999 kB\nMemTotal:\n",
        };
        Assert.Null(Tightest(files));
        Assert.Null(MemoryLimits.Tightest(_ => null, canSwap: true, withMachine: true));
    }

    [Fact]
    public void The_refusal_has_both_figures_and_leaves_the_system_its_share()
    {
        var limit = new MemoryLimit("/sys/fs/cgroup/memory.max", 150 * Mi, 100 * Mi);
        string why = MemoryRoom.WhyNot(limit, 384 * Mi)!;
        Assert.Contains("150 MiB", why, StringComparison.Ordinal);
        Assert.Contains("100 MiB", why, StringComparison.Ordinal);
        Assert.Contains("/sys/fs/cgroup/memory.max", why, StringComparison.Ordinal);
        Assert.NotNull(MemoryRoom.WhyNot(limit, 100 * Mi));
        Assert.Null(MemoryRoom.WhyNot(limit, 90 * Mi));
        Assert.NotNull(MemoryRoom.WhyNot(limit with { RoomBytes = 0 }, 1));
        Assert.Null(MemoryRoom.WhyNot(null, long.MaxValue));
    }

    private static string Meminfo(long available, long swap) =>
        $"MemTotal:        {8000 << 10} kB\nMemFree:  1 kB\nMemAvailable:    {available << 10} kB\nSwapTotal: "
            + $"99999999 kB\nSwapFree:  {swap << 10} kB\nHugePages_Total:       0\n";

    private static MemoryLimit? Tightest(Dictionary<string, string> files) =>
        MemoryLimits.Tightest(files.GetValueOrDefault, canSwap: true, withMachine: true);
}
