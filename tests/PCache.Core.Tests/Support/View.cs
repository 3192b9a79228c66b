namespace PCache.Core.Tests.Support;

public enum ViewKind
{
    DeviceSync,
    DeviceAsync,
    StreamSync,
    StreamAsync,
    BatchSync,
    BatchAsync,
}

/// <summary>One of the ways in which a caller reaches the same bytes.</summary>
internal abstract class View(PCacheDevice device) : IDisposable
{
    public PCacheDevice Device { get; } = device;

    public static View Open(ViewKind kind, PCacheDevice device) => kind switch
    {
        ViewKind.DeviceSync => new DeviceView(device),
        ViewKind.DeviceAsync => new AsyncDeviceView(device),
        ViewKind.StreamSync => new StreamView(device),
        ViewKind.BatchSync => new BatchView(device, isAsync: false),
        ViewKind.BatchAsync => new BatchView(device, isAsync: true),
        _ => new AsyncStreamView(device),
    };

    public abstract int Read(long offset, Span<byte> buffer);

    public abstract void Write(long offset, ReadOnlySpan<byte> buffer);

    public abstract void Flush();

    public abstract void SetLength(long length);

    public virtual void WriteZeroes(long offset, long length) => Device.WriteZeroes(offset, length);

    public virtual void Discard(long offset, long length) => Device.Discard(offset, length);

    public virtual void WriteThrough(long offset, ReadOnlySpan<byte> buffer) =>
        Device.Write(offset, buffer, WriteDurability.ForceUnitAccess);

    /// <summary>Reads to the end of the buffer or of the device.</summary>
    public byte[] ReadBytes(long offset, int length)
    {
        var bytes = new byte[length];
        int at = 0;
        while (at < length)
        {
            int read = Read(offset + at, bytes.AsSpan(at));
            if (read == 0)
            {
                break;
            }

            at += read;
        }

        return bytes[..at];
    }

    public virtual void Dispose()
    {
    }

    private sealed class DeviceView(PCacheDevice device) : View(device)
    {
        public override int Read(long offset, Span<byte> buffer) => Device.Read(offset, buffer);

        public override void Write(long offset, ReadOnlySpan<byte> buffer) => Device.Write(offset, buffer);

        public override void Flush() => Device.Flush();

        public override void SetLength(long length) => Device.SetLength(length);
    }

    private sealed class AsyncDeviceView(PCacheDevice device) : View(device)
    {
        public override int Read(long offset, Span<byte> buffer)
        {
            var bytes = new byte[buffer.Length];
            int read = Device.ReadAsync(offset, bytes).AsTask().GetAwaiter().GetResult();
            bytes.CopyTo(buffer);
            return read;
        }

        public override void Write(long offset, ReadOnlySpan<byte> buffer) =>
            Device.WriteAsync(offset, buffer.ToArray()).AsTask().GetAwaiter().GetResult();

        public override void Flush() => Device.FlushAsync().AsTask().GetAwaiter().GetResult();

        public override void SetLength(long length) => Device.SetLengthAsync(length).AsTask().GetAwaiter().GetResult();

        public override void WriteZeroes(long offset, long length) =>
            Device.WriteZeroesAsync(offset, length).AsTask().GetAwaiter().GetResult();

        public override void Discard(long offset, long length) =>
            Device.DiscardAsync(offset, length).AsTask().GetAwaiter().GetResult();

        public override void WriteThrough(long offset, ReadOnlySpan<byte> buffer) =>
            Device.WriteAsync(offset, buffer.ToArray(), WriteDurability.ForceUnitAccess).AsTask().GetAwaiter()
                .GetResult();
    }

    /// <summary>
    /// Each write and read is a batch of pieces of different sizes; before the writes of a batch go others, of the
    /// wrong bytes, that they overwrite.
    /// </summary>
    private sealed class BatchView(PCacheDevice device, bool isAsync) : View(device)
    {
        private static readonly int[] Sizes = [4096, 512, 100, 8192, 412];

        public override int Read(long offset, Span<byte> buffer)
        {
            BlockRead[] reads = [.. Pieces(offset, buffer.Length)
                .Select(piece => new BlockRead(piece.Offset, new byte[piece.Length]))];
            long read = isAsync ? Device.ReadBatchAsync(reads).AsTask().GetAwaiter().GetResult()
                : Device.ReadBatch(reads);
            byte[] all = [.. reads.SelectMany(piece => piece.Buffer.ToArray())];
            all.AsSpan(0, (int)read).CopyTo(buffer);
            return (int)read;
        }

        public override void Write(long offset, ReadOnlySpan<byte> buffer) =>
            Write(offset, buffer, WriteDurability.Normal);

        public override void WriteThrough(long offset, ReadOnlySpan<byte> buffer) =>
            Write(offset, buffer, WriteDurability.ForceUnitAccess);

        public override void Flush() => Device.Flush();

        public override void SetLength(long length) => Device.SetLength(length);

        private static IEnumerable<(long Offset, int Length)> Pieces(long offset, int length)
        {
            // No piece at all for no bytes: an offset that is out of range is told all the same.
            int done = 0;
            for (int i = 0; done < length || i == 0; i++)
            {
                int n = Math.Min(length - done, Sizes[i % Sizes.Length]);
                yield return (offset + done, n);
                done += n;
            }
        }

        private void Write(long offset, ReadOnlySpan<byte> buffer, WriteDurability durability)
        {
            var writes = new List<BlockWrite>();
            foreach ((long at, int length) in Pieces(offset, buffer.Length))
            {
                byte[] data = buffer.Slice((int)(at - offset), length).ToArray();
                writes.Add(new BlockWrite(at, data.Select(b => (byte)~b).ToArray()));
                writes.Add(new BlockWrite(at, data));
            }

            if (isAsync)
            {
                Device.WriteBatchAsync(writes.ToArray(), durability).AsTask().GetAwaiter().GetResult();
            }
            else
            {
                Device.WriteBatch(writes.ToArray(), durability);
            }
        }
    }

    private class StreamView(PCacheDevice device) : View(device)
    {
        protected PCacheStream Stream { get; } = device.OpenStream();

        public override int Read(long offset, Span<byte> buffer)
        {
            Stream.Position = offset;
            int read = Stream.Read(buffer);
            Assert.Equal(offset + read, Stream.Position);
            return read;
        }

        public override void Write(long offset, ReadOnlySpan<byte> buffer)
        {
            Stream.Position = offset;
            Stream.Write(buffer);
            Assert.Equal(offset + buffer.Length, Stream.Position);
        }

        public override void Flush() => Stream.Flush();

        public override void SetLength(long length) => Stream.SetLength(length);

        public override void Dispose()
        {
            Stream.Dispose();
            base.Dispose();
        }
    }

    private sealed class AsyncStreamView(PCacheDevice device) : StreamView(device)
    {
        public override int Read(long offset, Span<byte> buffer)
        {
            var bytes = new byte[buffer.Length];
            Stream.Seek(offset, SeekOrigin.Begin);
            int read = Stream.ReadAsync(bytes.AsMemory()).AsTask().GetAwaiter().GetResult();
            Assert.Equal(offset + read, Stream.Position);
            bytes.CopyTo(buffer);
            return read;
        }

        public override void Write(long offset, ReadOnlySpan<byte> buffer)
        {
            Stream.Seek(offset, SeekOrigin.Begin);
            Stream.WriteAsync(buffer.ToArray().AsMemory()).AsTask().GetAwaiter().GetResult();
            Assert.Equal(offset + buffer.Length, Stream.Position);
        }

        public override void Flush() => Stream.FlushAsync().GetAwaiter().GetResult();
    }
}
