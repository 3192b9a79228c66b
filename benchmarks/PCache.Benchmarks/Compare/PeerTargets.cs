// Keeps true: each peer is what a .NET program would use instead, on a file of the same kind of memory; where the
// operation isn't about durability nothing is flushed, which favours the peers.
using System.IO.MemoryMappedFiles;
using Microsoft.Win32.SafeHandles;
using PCache.Tool.Bench;

namespace PCache.Benchmarks.Compare;

/// <summary>The peers of <c>compare</c>.</summary>
internal static class PeerTargets
{
    /// <summary>All peers that have the operation, on one new file: none of them runs while another does.</summary>
    public static IReadOnlyList<BenchTarget> Create(BenchPlaces places, BenchPattern pattern, long lengthBytes)
    {
        string path = places.CreateFile(lengthBytes);
        var stream = new StreamTarget("FileStream", pattern, () => Open(path, 4096));
        var unbuffered = new StreamTarget("FileStreamUnbuffered", pattern, () => Open(path, 0));
        var buffered = new StreamTarget("BufferedStream", pattern, () => new BufferedStream(Open(path, 0)));
        return pattern.Kind switch
        {
            BenchKind.SmallWrite or BenchKind.SmallWriteBuffered => [stream, unbuffered, buffered],
            BenchKind.WritePersist => [new RandomAccessTarget(path, pattern), unbuffered,
                new ViewAccessorTarget(Open(path, 0), pattern)],
            BenchKind.Write or BenchKind.Read =>
                [new RandomAccessTarget(path, pattern), stream, unbuffered, buffered,
                    new ViewAccessorTarget(Open(path, 0), pattern)],
            BenchKind.WriteFua or BenchKind.WriteFlush =>
                [new RandomAccessTarget(path, pattern), unbuffered, new ViewAccessorTarget(Open(path, 0), pattern)],
            _ => [new RandomAccessTarget(path, pattern), new ViewAccessorTarget(Open(path, 0), pattern)],
        };
    }

    private static FileStream Open(string path, int bufferSize) =>
        new(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize);

    /// <summary>Turns calls into single transfers.</summary>
    private abstract class PeerWorker(BenchPattern pattern) : BenchWorker(pattern)
    {
        public override void Execute(ref BenchOffsets offsets)
        {
            int blockBytes = Pattern.BlockBytes;
            switch (Pattern.Kind)
            {
                case BenchKind.Read or BenchKind.ReadMiss:
                    Read(offsets.Next(), Start, blockBytes);
                    break;
                case BenchKind.PartialHit:
                    Read(offsets.Next(), Start, 2 * blockBytes);
                    break;
                case BenchKind.WriteFua or BenchKind.WriteFlush:
                    Write(offsets.Next(), Start, blockBytes);
                    Flush();
                    break;
                case BenchKind.BatchRead:
                    for (int i = 0; i < BenchPattern.BatchBlocks; i++)
                    {
                        Read(offsets.Next(), Start + (i * blockBytes), blockBytes);
                    }

                    break;
                case BenchKind.BatchWrite:
                    for (int i = 0; i < BenchPattern.BatchBlocks; i++)
                    {
                        Write(offsets.Next(), Start + (i * blockBytes), blockBytes);
                    }

                    break;
                default:
                    Write(offsets.Next(), Start, blockBytes);
                    break;
            }
        }

        protected abstract void Read(long offset, int start, int lengthBytes);

        protected abstract void Write(long offset, int start, int lengthBytes);

        protected abstract void Flush();
    }

    private sealed class RandomAccessTarget(string path, BenchPattern pattern) : BenchTarget
    {
        private readonly SafeFileHandle _handle =
            File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);

        public override string Name => "RandomAccess";

        public override BenchWorker CreateWorker() => new Worker(_handle, pattern);

        public override void Dispose() => _handle.Dispose();

        private sealed class Worker(SafeFileHandle handle, BenchPattern pattern) : PeerWorker(pattern)
        {
            public override void Dispose()
            {
            }

            protected override void Read(long offset, int start, int lengthBytes) =>
                RandomAccess.Read(handle, Array.AsSpan(start, lengthBytes), offset);

            protected override void Write(long offset, int start, int lengthBytes) =>
                RandomAccess.Write(handle, Array.AsSpan(start, lengthBytes), offset);

            protected override void Flush() => RandomAccess.FlushToDisk(handle);
        }
    }

    private sealed class StreamTarget(string name, BenchPattern pattern, Func<Stream> open) : BenchTarget
    {
        public override string Name => name;

        public override BenchWorker CreateWorker() =>
            pattern.IsSmall ? new AppendWorker(open(), pattern) : new Worker(open(), pattern);

        public override void Dispose()
        {
        }

        private sealed class Worker(Stream stream, BenchPattern pattern) : PeerWorker(pattern)
        {
            public override void Dispose() => stream.Dispose();

            protected override void Read(long offset, int start, int lengthBytes)
            {
                stream.Seek(offset, SeekOrigin.Begin);
                stream.ReadExactly(Array, start, lengthBytes);
            }

            protected override void Write(long offset, int start, int lengthBytes)
            {
                stream.Seek(offset, SeekOrigin.Begin);
                stream.Write(Array, start, lengthBytes);
            }

            protected override void Flush() => ((FileStream)stream).Flush(flushToDisk: true);
        }

        private sealed class AppendWorker(Stream stream, BenchPattern pattern) : BenchWorker(pattern)
        {
            public override void Begin(long partStart) => stream.Position = partStart;

            public override void Execute(ref BenchOffsets offsets) => stream.Write(Block(offsets.NextAppend()));

            public override void Dispose() => stream.Dispose();
        }
    }

    private sealed class ViewAccessorTarget : BenchTarget
    {
        private readonly BenchPattern _pattern;
        private readonly MemoryMappedFile _file;
        private readonly MemoryMappedViewAccessor _view;

        public ViewAccessorTarget(FileStream file, BenchPattern pattern)
        {
            _pattern = pattern;
            _file = MemoryMappedFile.CreateFromFile(file, null, 0, MemoryMappedFileAccess.ReadWrite,
                HandleInheritability.None, leaveOpen: false);
            _view = _file.CreateViewAccessor();
        }

        public override string Name => "ViewAccessor";

        public override BenchWorker CreateWorker() => new Worker(_view, _pattern);

        public override void Dispose()
        {
            _view.Dispose();
            _file.Dispose();
        }

        private sealed class Worker(MemoryMappedViewAccessor view, BenchPattern pattern) : PeerWorker(pattern)
        {
            public override void Dispose()
            {
            }

            protected override void Read(long offset, int start, int lengthBytes) =>
                view.ReadArray(offset, Array, start, lengthBytes);

            protected override void Write(long offset, int start, int lengthBytes) =>
                view.WriteArray(offset, Array, start, lengthBytes);

            protected override void Flush() => view.Flush();
        }
    }
}
