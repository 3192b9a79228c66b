using Microsoft.Win32.SafeHandles;
using PCache.Core.Pmem;

namespace PCache.Core.Tests.Pmem;

/// <summary>When the pages of a mapped file are brought to the disk: in a power-safe region by a drain, all that was
/// flushed since the last one; else never.</summary>
public sealed class MappedSyncTests
{
    private const int Length = 1 << 16;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_drain_syncs_what_was_flushed(bool powerSafe)
    {
        using var folder = new TemporaryDirectory();
        SafeFileHandle file = System.IO.File.OpenHandle(folder.File("mapped"), FileMode.CreateNew,
            FileAccess.ReadWrite);
        RandomAccess.SetLength(file, Length);
        var mapping = new CountingMapping();
        using var region = new MappedFileRegion(file, mapping, Length, new PmemFileOptions { PowerSafe = powerSafe });
        Assert.Equal(powerSafe, region.IsPowerSafe);
        Assert.Equal(!powerSafe, region.DrainIsCheap);
        region.Write(5000, new byte[100]);
        region.FlushRange(5000, 100);
        Assert.Empty(mapping.Synced);
        region.Drain();
        region.Drain();
        region.FlushRange(1, 2);
        region.FlushRange(60_000, 10);
        region.Drain();
        Assert.Equal(powerSafe ? [(5000, 100), (1, 60_009)] : [], mapping.Synced);
    }

    private sealed unsafe class CountingMapping : FileMapping
    {
        private readonly void* _memory = System.Runtime.InteropServices.NativeMemory.AlignedAlloc(Length, 4096);

        public CountingMapping() => Address = (nint)_memory;

        public List<(long Offset, long LengthBytes)> Synced { get; } = [];

        public override void Prefault(bool forWriting)
        {
        }

        public override void Sync(long offset, long lengthBytes) => Synced.Add((offset, lengthBytes));

        public override void Dispose() => System.Runtime.InteropServices.NativeMemory.AlignedFree(_memory);
    }
}
