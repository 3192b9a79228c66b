using PCache.Core;
using PCache.Core.Files;
using PCache.Core.Pmem;
using PCache.Sqlite.Files;

namespace PCache.Sqlite.Recognition;

/// <summary>
/// Keeps the record of the plain files that write-back is changing.
/// </summary>
/// <remarks>
/// Keeps true:
/// <list type="bullet">
/// <item>Before anything changes a plain file, what may come of it is durable in the record, beside what was there:
/// so after a crash at any moment the files are one of the states that the record knows, or another program has
/// changed them.</item>
/// <item>After a flush of the files the record says exactly what is there. That becomes durable with the next drain
/// of the region, which is the one that moves the dirty tail; until then the record knows more states than need be,
/// never fewer.</item>
/// <item>A group isn't begun on files that aren't as the last flush left them, nor ended on files that it can't have
/// made: another program's change is never taken for ours.</item>
/// </list>
/// Calls that only add come from several threads; <see cref="Settle"/> comes alone.
/// </remarks>
internal sealed class RecordKeeper
{
    private readonly Lock _gate = new();
    private readonly PmemRegion _region;
    private readonly IFileStore _store;
    private readonly Guid _cacheId;
    private readonly string _path;
    private readonly FileStamp _database;
    private readonly FileImage[] _images = new FileImage[FileSlots.Count];
    private readonly long[] _durableTimes = new long[FileSlots.Count];
    private readonly long[] _durableLengths = new long[FileSlots.Count];
    private ulong _sequence;
    private uint _redoTo;
    private bool _settled;

    /// <summary>Begins with what is there now; durable on return.</summary>
    public RecordKeeper(
        PmemRegion region, IFileStore store, Guid cacheId, string path, ulong lastSequence, uint redoTo = 0)
    {
        _redoTo = redoTo;
        _region = region;
        _store = store;
        _cacheId = cacheId;
        _path = path;
        _sequence = lastSequence;
        _database = store.Exists(FileSlot.Main) ? store.Stamp(FileSlot.Main) with { ModifiedNanoseconds = 0 } : default;
        ReadAll([false, false, false]);
        region.Drain();
    }

    /// <summary>
    /// Before a window begins: where it ends, and the length in bytes of its journal; 0: it has none.
    /// </summary>
    /// <exception cref="PCacheBackingMismatchException">Another program has changed the files.</exception>
    public void BeforeWindow(uint redoTo, long journalBytes)
    {
        lock (_gate)
        {
            Begin();
            _redoTo = redoTo;
            if (journalBytes > 0)
            {
                FileImage image = _images[(int)FileSlot.Journal].Clone();
                image.AddWindow(journalBytes);
                _images[(int)FileSlot.Journal] = image;
            }

            Write();
            _region.Drain();
        }
    }

    /// <summary>Before a write to a plain file.</summary>
    /// <exception cref="PCacheBackingMismatchException">Another program has changed the files.</exception>
    public void BeforeWrite(FileSlot slot, long offset, ReadOnlySpan<byte> data)
    {
        lock (_gate)
        {
            Begin();
            FileImage image = _images[(int)slot];
            if (image is { MayExist: true, AnyTime: true } && offset + data.Length <= image.Longest
                && offset >= FileTable.HeadBytes)
            {
                return; // nothing new in it
            }

            image = image.Clone();
            image.AddWrite(offset, data);
            Keep((int)slot, image);
        }
    }

    /// <summary>Before the files are made what a table says.</summary>
    /// <exception cref="PCacheBackingMismatchException">Another program has changed the files.</exception>
    public void BeforeTable(FileTable table)
    {
        lock (_gate)
        {
            Begin();
            var images = new FileImage[FileSlots.Count];
            bool isNew = false;
            for (int i = 0; i < images.Length; i++)
            {
                images[i] = _images[i].Clone();
                images[i].AddState(table[(FileSlot)i]);
                isNew |= !images[i].IsSame(_images[i]);
            }

            if (isNew)
            {
                images.CopyTo(_images, 0);
                Write();
                _region.Drain();
            }
        }
    }

    /// <summary>After the files were made durable.</summary>
    /// <param name="trimmed">By slot: whether zeros at its end were cut off, and that isn't durable.</param>
    /// <exception cref="PCacheBackingMismatchException">Another program has changed the files.</exception>
    public void Settle(ReadOnlySpan<bool> trimmed)
    {
        lock (_gate)
        {
            if (!_settled)
            {
                RequireOurs();
            }
            else if (Difference() is not null || Comparison.OfTimes(_images, _store, out _) is not null)
            {
                return; // not ours, so not for the record; the next group or open will tell
            }

            ReadAll(trimmed);
        }
    }

    /// <summary>Ends the keeping; what is known is durable on return.</summary>
    public void Finish() => _region.Drain();

    private void ReadAll(ReadOnlySpan<bool> trimmed)
    {
        for (int i = 0; i < FileSlots.Count; i++)
        {
            FileImage image = FileImage.Of(_store, (FileSlot)i);
            if (trimmed[i] && image.MayExist)
            {
                image.AddOlder(_durableTimes[i], Math.Max(_durableLengths[i], VirtualLayout.RoundUp(image.Longest)));
            }
            else
            {
                _durableTimes[i] = image.Times.Count > 0 ? image.Times[0] : 0;
                _durableLengths[i] = image.Longest;
            }

            _images[i] = image;
        }

        _settled = true;
        Write();
    }

    private void Begin()
    {
        if (_settled)
        {
            RequireOurs();
            _settled = false;
        }
    }

    /// <summary>Times don't count: what merely touches a file in use shall not stop its write-back.</summary>
    private void RequireOurs()
    {
        if (Difference() is { } difference)
        {
            throw new PCacheBackingMismatchException(
                BackingMismatchReason.Content,
                $"'{SafeText.Of(_path)}' was changed by another program while it was open with a cache: {difference}. "
                + "Nothing is written back any more, so that nothing is mixed; what was committed stays in the cache.");
        }
    }

    private string? Difference() => Comparison.OfContent(_images, _store);

    private void Keep(int slot, FileImage image)
    {
        if (!image.IsSame(_images[slot]))
        {
            _images[slot] = image;
            Write();
            _region.Drain();
        }
    }

    private void Write() =>
        new FilesRecord
        {
            Sequence = ++_sequence,
            CacheId = _cacheId,
            Database = _database,
            Path = _path,
            Images = _images,
            RedoTo = _redoTo,
        }.Write(_region);
}
