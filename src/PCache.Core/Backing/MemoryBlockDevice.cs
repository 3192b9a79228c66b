// A device of memory. Keeps true: a page that isn't in the table reads as zeros; no page lies wholly beyond the end,
// and the last page is zero beyond it, so growing shows zeros; every operation is atomic (one lock), and one that
// comes to it after Close throws, rather than seeing the pages gone.

using System.Runtime.InteropServices;
using PCache.Core.Primitives;

namespace PCache.Core.Backing;

internal sealed class MemoryBlockDevice(long lengthBytes, int blockSize, bool canResize)
    : CheckedBlockDevice(blockSize, canWrite: true, canResize)
{
    private const int PageBytes = 64 * 1024;

    private readonly SteadyLock _lock = new(LockRank.Medium);
    private readonly Dictionary<long, byte[]> _pages = [];
    private long _lengthBytes = lengthBytes;

    public override long Length
    {
        get
        {
            ThrowIfDisposed();
            return Volatile.Read(ref _lengthBytes);
        }
    }

    public override bool CanDiscard => true;

    internal override bool PrefersSynchronousWrites => true;

    protected override int ReadAt(long offset, Span<byte> buffer)
    {
        using (_lock.Hold())
        {
            ThrowIfDisposed();
            int readBytes = (int)Math.Min(buffer.Length, Math.Max(0, _lengthBytes - offset));
            for (int done = 0; done < readBytes;)
            {
                (long page, int start, int pieceBytes) = Piece(offset + done, readBytes - done);
                Span<byte> target = buffer.Slice(done, pieceBytes);
                if (_pages.TryGetValue(page, out byte[]? bytes))
                {
                    bytes.AsSpan(start, pieceBytes).CopyTo(target);
                }
                else
                {
                    target.Clear();
                }

                done += pieceBytes;
            }

            return readBytes;
        }
    }

    protected override ValueTask<int> ReadAtAsync(
        long offset, Memory<byte> buffer, CancellationToken cancellationToken) => new(ReadAt(offset, buffer.Span));

    protected override void WriteAt(long offset, ReadOnlySpan<byte> buffer)
    {
        using (_lock.Hold())
        {
            ThrowIfDisposed();
            for (int done = 0; done < buffer.Length;)
            {
                (long page, int start, int pieceBytes) = Piece(offset + done, buffer.Length - done);
                ref byte[]? bytes = ref CollectionsMarshal.GetValueRefOrAddDefault(_pages, page, out _);
                bytes ??= new byte[PageBytes];
                buffer.Slice(done, pieceBytes).CopyTo(bytes.AsSpan(start));
                done += pieceBytes;
            }

            Volatile.Write(ref _lengthBytes, Math.Max(_lengthBytes, offset + buffer.Length));
        }
    }

    protected override ValueTask WriteAtAsync(
        long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        WriteAt(offset, buffer.Span);
        return ValueTask.CompletedTask;
    }

    protected override void FlushAll()
    {
    }

    protected override ValueTask FlushAllAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;

    protected override void WriteZeroesAt(long offset, long lengthBytes)
    {
        using (_lock.Hold())
        {
            ThrowIfDisposed();
            Clear(offset, lengthBytes);
            Volatile.Write(ref _lengthBytes, Math.Max(_lengthBytes, offset + lengthBytes));
        }
    }

    protected override ValueTask WriteZeroesAtAsync(long offset, long lengthBytes, CancellationToken cancellationToken)
    {
        WriteZeroesAt(offset, lengthBytes);
        return ValueTask.CompletedTask;
    }

    protected override void DiscardAt(long offset, long lengthBytes)
    {
        using (_lock.Hold())
        {
            Clear(offset, lengthBytes);
        }
    }

    protected override void ResizeTo(long lengthBytes)
    {
        using (_lock.Hold())
        {
            ThrowIfDisposed();
            if (lengthBytes < _lengthBytes)
            {
                Clear(lengthBytes, _lengthBytes - lengthBytes);
            }

            Volatile.Write(ref _lengthBytes, lengthBytes);
        }
    }

    protected override ValueTask ResizeToAsync(long lengthBytes, CancellationToken cancellationToken)
    {
        ResizeTo(lengthBytes);
        return ValueTask.CompletedTask;
    }

    protected override void Close()
    {
        using (_lock.Hold())
        {
            _pages.Clear();
        }
    }

    protected override ValueTask CloseAsync()
    {
        Close();
        return ValueTask.CompletedTask;
    }

    private static (long Page, int Start, int PieceBytes) Piece(long offset, long remainingBytes)
    {
        int start = (int)(offset % PageBytes);
        return (offset / PageBytes, start, (int)Math.Min(remainingBytes, PageBytes - start));
    }

    // Walks the range, or the pages that there are if those are fewer: a range may be as long as a long. Called under
    // the lock.
    private void Clear(long offset, long lengthBytes)
    {
        if (lengthBytes == 0)
        {
            return;
        }

        long lastByte = offset + (lengthBytes - 1);
        long firstPage = offset / PageBytes;
        long lastPage = lastByte / PageBytes;
        if (lastPage - firstPage < _pages.Count)
        {
            for (long page = firstPage; page <= lastPage; page++)
            {
                ClearInPage(page, offset, lastByte);
            }
        }
        else
        {
            foreach (long page in _pages.Keys)
            {
                ClearInPage(page, offset, lastByte); // removing is allowed while a Dictionary is enumerated
            }
        }
    }

    private void ClearInPage(long page, long firstByte, long lastByte)
    {
        long pageOffset = page * PageBytes;
        int first = (int)Math.Clamp(firstByte - pageOffset, 0, PageBytes);
        int last = (int)Math.Clamp(lastByte - pageOffset, -1, PageBytes - 1);
        if (last - first == PageBytes - 1)
        {
            _ = _pages.Remove(page);
        }
        else if (first <= last && _pages.TryGetValue(page, out byte[]? bytes))
        {
            bytes.AsSpan(first, last - first + 1).Clear();
        }
    }
}
