// Keeps true: never fails: where the system doesn't tell a thread's CPU time, the wall clock answers, and HasCpuTime
// says so.
using System.Diagnostics;
using System.Runtime.InteropServices;

namespace PCache.Tool.Bench;

/// <summary>CPU time of threads and of the process.</summary>
internal static partial class ThreadClock
{
    private const int LinuxProcessCpuTime = 2;
    private const int LinuxThreadCpuTime = 3;

    /// <summary>Whether <see cref="ThreadNanoseconds"/> is CPU time.</summary>
    public static bool HasCpuTime { get; } = OperatingSystem.IsLinux() && Environment.Is64BitProcess;

    /// <summary>CPU time of the calling thread; wall time where that isn't known.</summary>
    public static long ThreadNanoseconds() => HasCpuTime ? Read(LinuxThreadCpuTime) : WallNanoseconds();

    /// <summary>CPU time of the process.</summary>
    public static long ProcessNanoseconds() =>
        HasCpuTime ? Read(LinuxProcessCpuTime) : (long)Process.GetCurrentProcess().TotalProcessorTime.TotalNanoseconds;

    private static long WallNanoseconds() => (long)(Stopwatch.GetTimestamp() * (1e9 / Stopwatch.Frequency));

    private static long Read(int clock) =>
        GetTime(clock, out TimeSpec time) == 0 ? (time.Seconds * 1_000_000_000) + time.Nanoseconds : WallNanoseconds();

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    private static partial int GetTime(int clock, out TimeSpec time);

    [StructLayout(LayoutKind.Sequential)]
    private struct TimeSpec
    {
        public long Seconds;
        public long Nanoseconds;
    }
}
