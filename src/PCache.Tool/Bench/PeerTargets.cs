// Keeps true: each peer is what a .NET program would use instead, on a file of the same kind of memory; nothing is flushed, which favours the peers.
using System.IO.MemoryMappedFiles;
using Microsoft.Win32.SafeHandles;

namespace PCache.Tool.Bench;

/// <summary>The peers of <c>--compare</c>.</summary>
internal static class PeerTargets
{
    /// <summary>All peers, on one new file: none of them runs while another does.</summary>
    public static IReadOnlyList<BenchTarget> Create(BenchPlaces places, long lengthBytes)
    {
        string path = places.CreateFile(lengthBytes);
        return
        [
            new RandomAccessTarget(path),
            new StreamTarget("FileStream", () => Open(path, 4096)),
            new StreamTarget("FileStreamUnbuffered", () => Open(path, 0)),
            new StreamTarget("BufferedStream", () => new BufferedStream(Open(path, 0))),
            new ViewAccessorTarget(Open(path, 0)),
        ];
    }

    private static FileStream Open(string path, int bufferSize) => new(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize);

    private sealed class RandomAccessTarget(string path) : BenchTarget
    {
        private readonly SafeFileHandle _handle = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);

        public override string Name => "RandomAccess";

        public override BenchWorker CreateWorker() => new Worker(_handle);

        public override void Dispose() => _handle.Dispose();

        private sealed class Worker(SafeFileHandle handle) : BenchWorker
        {
            public override void Read(long offset, byte[] buffer) => RandomAccess.Read(handle, buffer, offset);

            public override void Write(long offset, byte[] buffer) => RandomAccess.Write(handle, buffer, offset);

            public override void Dispose()
            {
            }
        }
    }

    private sealed class StreamTarget(string name, Func<Stream> open) : BenchTarget
    {
        public override string Name => name;

        public override BenchWorker CreateWorker() => new Worker(open());

        public override void Dispose()
        {
        }

        private sealed class Worker(Stream stream) : BenchWorker
        {
            public override void Read(long offset, byte[] buffer)
            {
                stream.Seek(offset, SeekOrigin.Begin);
                stream.ReadExactly(buffer);
            }

            public override void Write(long offset, byte[] buffer)
            {
                stream.Seek(offset, SeekOrigin.Begin);
                stream.Write(buffer);
            }

            public override void Dispose() => stream.Dispose();
        }
    }

    private sealed class ViewAccessorTarget : BenchTarget
    {
        private readonly MemoryMappedFile _file;
        private readonly MemoryMappedViewAccessor _view;

        public ViewAccessorTarget(FileStream file)
        {
            _file = MemoryMappedFile.CreateFromFile(file, null, 0, MemoryMappedFileAccess.ReadWrite, HandleInheritability.None, leaveOpen: false);
            _view = _file.CreateViewAccessor();
        }

        public override string Name => "ViewAccessor";

        public override BenchWorker CreateWorker() => new Worker(_view);

        public override void Dispose()
        {
            _view.Dispose();
            _file.Dispose();
        }

        private sealed class Worker(MemoryMappedViewAccessor view) : BenchWorker
        {
            public override void Read(long offset, byte[] buffer) => view.ReadArray(offset, buffer, 0, buffer.Length);

            public override void Write(long offset, byte[] buffer) => view.WriteArray(offset, buffer, 0, buffer.Length);

            public override void Dispose()
            {
            }
        }
    }
}
