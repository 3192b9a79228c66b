// What kind of file system a file is on, as far as that decides how a mapped file behaves when there is no room.
// Keeps true: nothing is guessed from paths or mount tables; where the system can't tell, the answer is "unknown",
// and nothing is refused for it.
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace PCache.Core.Pmem;

/// <summary>Facts of the file system that holds an open file.</summary>
internal sealed partial record FileSystemFacts
{
    private const long Btrfs = 0x9123683E;
    private const long Bcachefs = 0xCA451A4E;
    private const long Nilfs = 0x3434;
    private const long Zfs = 0x2FC12FC1;
    private const long Xfs = 0x58465342;
    private const long Tmpfs = 0x01021994;
    private const long Ramfs = 0x858458F6;
    private const long Hugetlbfs = 0x958458F6;

    /// <summary>The kernel's number for its kind.</summary>
    public required long Magic { get; init; }

    /// <summary>Bytes that it can hold at most; 0: it has no limit of its own.</summary>
    public required long LengthBytes { get; init; }

    /// <summary>Bytes that this process may still take there.</summary>
    public required long AvailableBytes { get; init; }

    /// <summary>
    /// Whether changing what is there already may need a new place: then a store into a mapping can find the disk
    /// full, which ends the process.
    /// </summary>
    public bool IsCopyOnWrite => Magic is Btrfs or Bcachefs or Nilfs or Zfs;

    /// <summary>Whether it knows files that are to be changed in place.</summary>
    public bool KnowsNoCopyOnWrite => Magic == Btrfs;

    /// <summary>Whether files may share blocks that it can unshare ahead of a change.</summary>
    public bool CanUnshare => Magic == Xfs;

    /// <summary>
    /// Name of a file system whose content is memory, and counts as such; null: it isn't one. (Huge pages come from a
    /// pool of their own, which the system looks after.)
    /// </summary>
    public string? MemoryName => Magic == Tmpfs ? "tmpfs" : Magic == Ramfs ? "ramfs" : null;

    /// <summary>Whether the memory can be swapped out.</summary>
    public bool CanSwap => Magic == Tmpfs;

    /// <summary>Null: this platform isn't asked, or doesn't tell.</summary>
    public static FileSystemFacts? Of(SafeFileHandle file)
    {
        if (!OperatingSystem.IsLinux()
            || RuntimeInformation.ProcessArchitecture is not (
                Architecture.X64 or Architecture.Arm64 or Architecture.RiscV64 or Architecture.LoongArch64
                    or Architecture.Ppc64le)
            || StatFileSystem(file, out LinuxStatfs facts) != 0)
        {
            return null;
        }

        return new FileSystemFacts
        {
            Magic = facts.Type & 0xFFFFFFFF,
            LengthBytes = Bytes(facts.Blocks, facts.BlockBytes),
            AvailableBytes = Bytes(facts.Available, facts.BlockBytes),
        };
    }

    private static long Bytes(ulong blocks, long blockBytes) =>
        (long)UInt128.Min((UInt128)blocks * (ulong)Math.Max(blockBytes, 0), long.MaxValue);

    [LibraryImport("libc", EntryPoint = "fstatfs", SetLastError = true)]
    private static partial int StatFileSystem(SafeFileHandle file, out LinuxStatfs facts);

    /// <summary>struct statfs of 64-bit Linux.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 256)]
    private struct LinuxStatfs
    {
        public long Type;
        public long BlockBytes;
        public ulong Blocks;
        public ulong Free;
        public ulong Available;
    }
}
