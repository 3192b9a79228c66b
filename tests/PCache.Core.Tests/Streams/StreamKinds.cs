// The streams that the contracts run over. Controls are the system's own streams: what a test expects has to be true of
// them first.

using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Streams;

public class UnbufferedPCacheStreamTests : StreamContract
{
    protected override Stream Create() => new PCacheStream(BlockDevice.FromMemory(0));
}

public class Buffer1PCacheStreamTests : StreamContract
{
    protected override Stream Create() => new PCacheStream(BlockDevice.FromMemory(0), 1);
}

public class Buffer2PCacheStreamTests : StreamContract
{
    protected override Stream Create() => new PCacheStream(BlockDevice.FromMemory(0), 2);
}

public class Buffer16PCacheStreamTests : StreamContract
{
    protected override Stream Create() => new PCacheStream(BlockDevice.FromMemory(0), 16);
}

public class Buffer4096PCacheStreamTests : StreamContract
{
    protected override Stream Create() => new PCacheStream(BlockDevice.FromMemory(0), 4096);
}

public class TrulyAsyncPCacheStreamTests : StreamContract
{
    protected override Stream Create() => new PCacheStream(BlockDevice.FromStream(new Backing.AwkwardStream(0)));
}

public class BufferedTrulyAsyncPCacheStreamTests : StreamContract
{
    protected override Stream Create() => new PCacheStream(BlockDevice.FromStream(new Backing.AwkwardStream(0)), 64);
}

public class FilePCacheStreamTests : StreamContract
{
    protected override Stream Create() =>
        new PCacheStream(BlockDevice.OpenFile(Folder.CreateFile($"{Guid.NewGuid():N}")), 256);
}

public abstract class CachedPCacheStreamTests(int bufferSize) : StreamContract
{
    protected override Stream Create() => new PCacheStream(Own(Caches.Make(0, canResize: true)).Device, bufferSize);
}

public class UnbufferedCachedPCacheStreamTests() : CachedPCacheStreamTests(0);

public class Buffer16CachedPCacheStreamTests() : CachedPCacheStreamTests(16);

public class Buffer4096CachedPCacheStreamTests() : CachedPCacheStreamTests(4096);

public class FileCachedPCacheStreamTests : StreamContract
{
    protected override Stream Create() => PCacheStream.OpenOrCreate(
        Folder[$"{Guid.NewGuid():N}"],
        Rig.RegionLength(8),
        new FileStream(Folder[$"{Guid.NewGuid():N}"], FileMode.CreateNew, FileAccess.ReadWrite),
        new PCacheOptions { SegmentSizeBytes = Rig.SegmentBytes, PayloadCrc = true });
}

public class MemoryStreamControl : StreamContract
{
    protected override bool EmptyWriteGrows => true;

    protected override bool FlushIgnoresDisposal => true;

    protected override Stream Create() => new MemoryStream();
}

public abstract class FileStreamControl(int bufferSize, FileOptions options) : StreamContract
{
    protected override Stream Create() =>
        new FileStream(Folder[$"{Guid.NewGuid():N}"], FileMode.CreateNew, FileAccess.ReadWrite, FileShare.Read,
        bufferSize, options);
}

public class UnbufferedFileStreamControl() : FileStreamControl(0, FileOptions.None);

public class BufferedFileStreamControl() : FileStreamControl(4096, FileOptions.None);

public class AsyncFileStreamControl() : FileStreamControl(16, FileOptions.Asynchronous);

public class FixedMemoryStreamControl : FixedStreamContract
{
    protected override Stream Create() => new MemoryStream([.. LimitedContent.Bytes]);
}

public class FixedPCacheStreamTests : FixedStreamContract
{
    protected override Stream Create() => new PCacheStream(new SimulatedDisk(LimitedContent.Bytes));
}

public class BufferedFixedPCacheStreamTests : FixedStreamContract
{
    protected override Stream Create() => new PCacheStream(new SimulatedDisk(LimitedContent.Bytes), 64);
}

public class FixedCachedPCacheStreamTests : FixedStreamContract
{
    protected override Stream Create() => new PCacheStream(Own(Caches.Make(1000, canResize: false)).Device);
}

public class BufferedFixedCachedPCacheStreamTests : FixedStreamContract
{
    protected override Stream Create() => new PCacheStream(Own(Caches.Make(1000, canResize: false)).Device, 4096);
}

public class ReadOnlyMemoryStreamControl : ReadOnlyStreamContract
{
    protected override Stream Create() => new MemoryStream(LimitedContent.Bytes, writable: false);
}

public class ReadOnlyFileStreamControl : ReadOnlyStreamContract
{
    protected override Stream Create()
    {
        File.WriteAllBytes(Folder["file"], LimitedContent.Bytes);
        return new FileStream(Folder["file"], FileMode.Open, FileAccess.Read);
    }
}

public class ReadOnlyPCacheStreamTests : ReadOnlyStreamContract
{
    protected override Stream Create() =>
        new PCacheStream(BlockDevice.FromStream(new MemoryStream(LimitedContent.Bytes, writable: false)), 16);
}

public class ReadOnlyCachedPCacheStreamTests : ReadOnlyStreamContract
{
    // Half of it is in the cache only.
    protected override Stream Create()
    {
        byte[] backing = [.. LimitedContent.Bytes];
        backing.AsSpan(0, 512).Clear();
        SmallCache cache = Own(new SmallCache(8, content: backing));
        cache.Device.Write(0, LimitedContent.Bytes.AsSpan(0, 512));
        cache.Reopen(options => options with { ReadOnly = true });
        return new PCacheStream(cache.Device);
    }
}

internal static class Caches
{
    /// <summary>
    /// A small cache with a thread of its own; what a device without resizing holds is <see cref="LimitedContent"/>.
    /// </summary>
    public static SmallCache Make(long length, bool canResize)
    {
        Func<PCacheOptions, PCacheOptions> with = options =>
            options with
            {
                Maintenance = MaintenanceMode.OwnThread,
                TimeProvider = TimeProvider.System,
                WritebackDelay = TimeSpan.FromMilliseconds(1)
            };
        return length == 0 ? new SmallCache(8, 0, canResize: canResize, with: with)
            : new SmallCache(8, canResize: canResize, with: with, content: LimitedContent.Bytes);
    }
}
