using PCache.Core.Layout;

namespace PCache.Core.Inspection;

public sealed partial class RescueImage
{
    private const int MostKeysOfGroup = 1 << 16;
    private const int ChunkBytes = 1 << 20;

    /// <summary>
    /// Writes what can be trusted to a backing, in log order, with a flush at each barrier, and leaves the cache as
    /// it is: so the backing holds at any moment what a disk could hold that lost power, as far as the log is whole.
    /// Doing it again changes nothing.
    /// </summary>
    /// <param name="backing">Where to write. It is made longer where the log says so (<see cref="DeviceLength"/>)
    /// and it can grow; else its length is not changed, and nothing is written past its end.</param>
    /// <param name="includeStale">Whether possibly stale and unverifiable payload is written too. Damaged payload
    /// never is.</param>
    /// <param name="progress">Told how many of the ranges have been written; null: no progress is reported.</param>
    /// <param name="cancellation">Ends it between two writes.</param>
    /// <returns>How much was written.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="backing"/> is null.</exception>
    /// <exception cref="IOException">The backing failed, or the cache's medium did.</exception>
    /// <exception cref="OperationCanceledException">It was ended.</exception>
    public RescueWriteback WriteBack(
        IBlockDevice backing, bool includeStale = false, IProgress<InspectionProgress>? progress = null,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(backing);

        if (DeviceLength is long length && length > backing.Length && backing.CanResize)
        {
            backing.SetLength(length);
        }

        // Only ranges whose newest version is written get any: an older one alone would put old data over new.
        List<RescueExtent> wanted = [];
        long skipped = 0;
        long range = 0;
        foreach (RescueExtent extent in _extents)
        {
            if (!extent.IsDirty)
            {
                continue;
            }

            bool trusted = extent.State == RescueState.Sound || (includeStale && extent.State != RescueState.Damaged);
            long reach = trusted ? Math.Clamp(backing.Length - extent.Offset, 0, extent.LengthBytes) : 0;

            // The backing's last partial sector counts as whole.
            skipped += extent.LengthBytes - (
                (reach + MediaConstants.SectorSize - 1) / MediaConstants.SectorSize * MediaConstants.SectorSize);
            range += reach;
            if (reach > 0)
            {
                wanted.Add(extent with { LengthBytes = reach });
            }
        }

        long written = 0;
        PayloadVerifier verifier = new(_layout);
        byte[] buffer = new byte[ChunkBytes];
        int first = 0;
        for (int kset = 0; kset < _log.Ksets.Count; kset++)
        {
            int end = _log.Ksets[kset].FirstKey + _log.Ksets[kset].KeyCount;
            bool groupEnds = kset + 1 == _log.Ksets.Count || _log.Ksets[kset + 1].Header.IsBarrier
                || (end - first >= MostKeysOfGroup && !_log.Ksets[kset + 1].Header.ContinuesBatch);
            if (!groupEnds)
            {
                continue;
            }

            long before = written;
            if (end > first)
            {
                WriteGroup(backing, wanted, first, end, includeStale, verifier, buffer, ref written, cancellation);
            }

            if (written > before)
            {
                backing.Flush();
            }

            first = end;
            progress?.Report(new InspectionProgress(kset + 1, _log.Ksets.Count));
        }

        return new RescueWriteback(written, range, skipped);
    }

    private void WriteGroup(
        IBlockDevice backing, List<RescueExtent> wanted, int first, int end, bool includeStale,
        PayloadVerifier verifier, byte[] buffer, ref long written, CancellationToken cancellation)
    {
        foreach (RescuePiece piece in RescueMap.Build(_log.Keys, first, end))
        {
            RescuedKey key = _log.Keys[piece.Key];
            if (key.Verdict == KeyVerdict.Dead || key.Key.IsClean || !_log.Ksets[key.Kset].IsDirty)
            {
                continue;
            }

            for (int i = IndexIn(wanted, (long)piece.Start);
                i < wanted.Count && wanted[i].Offset < (long)piece.End;
                i++)
            {
                long from = Math.Max(wanted[i].Offset, (long)piece.Start);
                long to = Math.Min(wanted[i].End, (long)piece.End);
                if (IsWritten(verifier, piece.Key, includeStale))
                {
                    WriteRange(backing, in key, from, to, buffer, cancellation);
                    written += to - from;
                }
            }
        }
    }

    private bool IsWritten(PayloadVerifier verifier, int index, bool includeStale)
    {
        // Keys that later ones hide have not been looked at yet; they are only steps on the way.
        if (_states[index] == StateUnknown)
        {
            (_states[index], _) = Verify(verifier, index);
        }

        RescueState state = StateOf(index);
        return state == RescueState.Sound || (includeStale && state != RescueState.Damaged);
    }

    private void WriteRange(
        IBlockDevice backing, in RescuedKey key, long from, long to, byte[] buffer, CancellationToken cancellation)
    {
        _layout.TryPlace(key.Key.Segment, key.Key.SegmentOffset, key.Key.Length, out long place);
        long shift = place - (long)key.Key.Offset;
        int block = Math.Clamp(backing.BlockSize, 1, buffer.Length / 2);
        for (long at = from; at < to;)
        {
            cancellation.ThrowIfCancellationRequested();

            // Larger blocks than sectors: what lies around the range is the backing's own.
            long begin = at / block * block;
            long stop = Math.Min(begin + buffer.Length, (to + block - 1) / block * block);
            Span<byte> part = buffer.AsSpan(0, (int)(Math.Min(stop, Math.Max(backing.Length, to)) - begin));
            long until = Math.Min(to, stop);
            if (begin < at || until < begin + part.Length)
            {
                ReadBacking(backing, begin, part);
            }

            _region.ReadMetadata(at + shift, part.Slice((int)(at - begin), (int)(until - at)));
            backing.Write(begin, part);
            at = until;
        }
    }

    private static int IndexIn(List<RescueExtent> extents, long offset)
    {
        int low = 0;
        int high = extents.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (extents[middle].End <= offset)
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }

        return low;
    }
}
