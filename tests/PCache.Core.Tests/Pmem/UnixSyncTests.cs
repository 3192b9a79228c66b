using System.Runtime.InteropServices;
using PCache.Core.Pmem;

namespace PCache.Core.Tests.Pmem;

/// <summary>
/// Which pages of a mapped file a sync brings to the disk. The system refuses a range that has a page without mapping:
/// so a page is taken out of the mapping, and
/// whether a sync fails tells whether that page belongs to what it asked for.
/// </summary>
public sealed partial class UnixSyncTests
{
    private const int Pages = 6;
    private const int Anonymous = 0x20;
    private const int FixedUnlessTaken = 0x100000;

    public static TheoryData<long, long> Ranges()
    {
        int page = Environment.SystemPageSize;
        return new()
        {
            { 0, 1 },
            { page - 1, 1 },
            { page - 1, 2 }, // two bytes, two pages
            { 100, page },
            { page, page },
            { page + 8, (2 * page) - 8 },
            { page + 8, (2 * page) - 7 },
            { 0, Pages * page },
            { (2 * page) + 512, (3 * page) + 1 },
            { (5 * page) + 4000, page - 4000 },
        };
    }

    [Theory]
    [MemberData(nameof(Ranges))]
    public void A_sync_covers_each_page_that_has_a_byte_of_the_range(long offset, long lengthBytes)
    {
        if (!OperatingSystem.IsLinux())
        {
            return; // what a hole does is Linux's
        }

        int page = Environment.SystemPageSize;
        for (int hole = 0; hole < Pages; hole++)
        {
            using var folder = new TemporaryDirectory();
            using FileStream file = System.IO.File.Create(folder.File("mapped"));
            file.SetLength(Pages * page);
            var mapping = new UnixFileMapping(file.SafeFileHandle, Pages * page, readOnly: false, synchronous: false);
            nint place = mapping.Address + (hole * page);
            Assert.Equal(0, Unmap(place, (nuint)page));
            bool refused = Record.Exception(() => mapping.Sync(offset, lengthBytes)) is IOException;

            // What another thread may have mapped there meanwhile must not go with the mapping; then the rest of it
            // stays until the process ends.
            if (Map(place, (nuint)page, 0, 2 | Anonymous | FixedUnlessTaken, -1, 0) == place)
            {
                mapping.Dispose();
            }

            bool belongs = hole >= offset / page && hole <= (offset + lengthBytes - 1) / page;
            Assert.True(refused == belongs,
                $"page {hole} {(belongs ? "isn't" : "is")} part of a sync of {lengthBytes} bytes at {offset}");
        }
    }

    [LibraryImport("libc", EntryPoint = "munmap")]
    private static partial int Unmap(nint address, nuint length);

    [LibraryImport("libc", EntryPoint = "mmap")]
    private static partial nint Map(nint address, nuint length, int protection, int flags, int file, long offset);
}
