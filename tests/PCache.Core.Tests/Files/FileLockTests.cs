using Microsoft.Win32.SafeHandles;
using PCache.Core.Files;

namespace PCache.Core.Tests.Files;

/// <summary>A lock is taken only where the system said so.</summary>
public sealed class FileLockTests : IDisposable
{
    private readonly string _path = Path.GetTempFileName();

    public void Dispose() => File.Delete(_path);

    [Fact]
    public void Sharers_share_and_an_exclusive_lock_keeps_all_others_out()
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        using SafeFileHandle first = Open();
        using SafeFileHandle second = Open();
        Assert.Equal(FileLockState.Taken, FileLock.TryTake(first, exclusive: false, out _));
        Assert.Equal(FileLockState.Taken, FileLock.TryTake(second, exclusive: false, out _));
        Assert.Equal(FileLockState.HeldByOther, FileLock.TryTake(first, exclusive: true, out _));
        FileLock.Release(second);
        Assert.Equal(FileLockState.Taken, FileLock.TryTake(first, exclusive: true, out string? reason));
        Assert.Null(reason);
        Assert.Equal(FileLockState.HeldByOther, FileLock.TryTake(second, exclusive: false, out _));
        if (OperatingSystem.IsLinux())
        {
            Assert.Equal("this process", FileLock.DescribeHolder(second));
        }
    }

    [Fact]
    public void A_lock_that_cant_be_had_is_told_with_the_systems_words()
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        // A handle that is open for its path only: the system refuses to lock it.
        using SafeFileHandle noFile = new(0x7FFF_0000, ownsHandle: false);
        Assert.Equal(FileLockState.Unavailable, FileLock.TryTake(noFile, exclusive: true, out string? reason));
        Assert.Contains("error 9", reason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("1: FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF", 1234)]
    [InlineData("1: FLOCK  ADVISORY  WRITE 1234 00:2a:5678 0 EOF", 1234)] // another device number, as btrfs shows
    [InlineData("1: FLOCK  ADVISORY  WRITE 1234 08:01:5679 0 EOF", 0)]
    [InlineData("1: -> FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF", 0)] // waits for it
    [InlineData("1: POSIX  ADVISORY  WRITE 1234 08:01:5678 0 EOF", 0)]
    [InlineData("1: FLOCK  ADVISORY  WRITE -1 08:01:5678 0 EOF", 0)]
    [InlineData("1: FLOCK  ADVISORY  WRITE x 08:01:5678 0 EOF", 0)]
    [InlineData("1: FLOCK", 0)]
    [InlineData("", 0)]
    public void The_holder_is_found_in_the_systems_list(string line, int process) =>
        Assert.Equal(process, FileLock.FindHolder([line], new FileIdentity((8UL << 32) | 1, 5678)));

    private SafeFileHandle Open() => PrivateFile.Open(_path, FileAccess.ReadWrite, followLinks: false);
}
