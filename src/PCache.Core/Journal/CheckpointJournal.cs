using System.Runtime.InteropServices;
using PCache.Core.Layout;
using PCache.Core.Primitives;

namespace PCache.Core.Journal;

/// <summary>
/// The redo journal of checkpoints: what is about to be written to the backing stands here first, whole and durable.
/// </summary>
/// <remarks>
/// Keeps true:
/// <list type="bullet">
/// <item>A journal is pending from its commit until the backing has, durably, what it says: until then nothing else is
/// written over it.</item>
/// <item>Before anything is written to the backing that no journal has, the last one is invalid, durably: it must not
/// be applied to what came later.</item>
/// <item>A new journal is written only when the backing has what the old one says; so at every moment the backing
/// holds what a flush left, once the valid journal, if there is one, is applied.</item>
/// <item>Memory is bounded by a record.</item>
/// </list>
/// One thread at a time.
/// </remarks>
internal sealed class CheckpointJournal : IDisposable
{
    private readonly JournalPlace _place;
    private byte[] _buffer = []; // made for the first checkpoint
    private JournalHeader _header;
    private ulong _number;
    private bool _hasContent;
    private long _position;
    private int _filled;
    private int _recordAt;
    private uint _headersCrc;
    private ulong _records;

    /// <param name="place">Where it stands.</param>
    /// <param name="state">What stands there.</param>
    /// <param name="found">The header of a valid one.</param>
    /// <param name="pending">Whether the backing may lack something of it.</param>
    public CheckpointJournal(JournalPlace place, JournalState state, in JournalHeader found, bool pending)
    {
        _place = place;
        _hasContent = state is JournalState.Torn or JournalState.Valid || (state == JournalState.None && place.Exists);
        _header = found;
        _number = found.Number;
        IsPending = pending;
    }

    /// <summary>Where it stands.</summary>
    public JournalPlace Place => _place;

    /// <summary>Whether a whole journal stands there that the backing may lack something of.</summary>
    public bool IsPending { get; private set; }

    /// <summary>Whether there is anything in its place, be it only a torn journal or one that is done with.</summary>
    public bool HasContent => _hasContent;

    /// <summary>The last header, written or found.</summary>
    public ref readonly JournalHeader Header => ref _header;

    /// <summary>Bytes of a journal with so many records and bytes of payload, without padding.</summary>
    public static long SizeOf(int records, long payloadBytes) => JournalConstants.HeaderSize
        + ((long)records * JournalConstants.RecordHeaderSize) + payloadBytes + JournalConstants.CommitSize;

    /// <summary>
    /// Begins a journal, over the one that is done with. Version, magic, number and checksum are set here.
    /// </summary>
    /// <exception cref="IOException">It doesn't fit its place.</exception>
    public void Begin(in JournalHeader header)
    {
        Invariant.Holds(!IsPending, "a journal is written over only when the backing has what it says");
        long padded = ((long)header.TotalBytes + _place.BlockSize - 1) & -(long)_place.BlockSize;
        if (padded > _place.Capacity)
        {
            throw new IOException($"A checkpoint of {header.TotalBytes} bytes doesn't fit its journal "
                + $"{Files.SafeText.Of(_place.Name)} of {_place.Capacity} bytes.");
        }

        _header = header;
        _header.Version = JournalConstants.Version;
        _header.Magic = JournalConstants.HeaderMagic;
        _header.Number = ++_number;
        Span<byte> bytes = MemoryMarshal.AsBytes(new Span<JournalHeader>(ref _header));
        _header.Crc = StructureChecksum.Of(bytes[4..]);
        _headersCrc = Crc32C.HashToUInt32(bytes);
        _buffer = _buffer.Length > 0 ? _buffer : new byte[JournalConstants.BufferBytes];
        (_position, _filled, _records) = (0, 0, 0);
        _hasContent = true;
        Put(bytes);
    }

    /// <summary>Room for the payload of the next record; <see cref="Add"/> takes it.</summary>
    public Span<byte> Reserve(int lengthBytes)
    {
        Invariant.Holds(lengthBytes is > 0 and <= JournalConstants.MaxRecordBytes, "a record has its bounds");
        WriteOutUnlessFits(JournalConstants.RecordHeaderSize + lengthBytes);
        _recordAt = _filled;
        return _buffer.AsSpan(_filled + JournalConstants.RecordHeaderSize, lengthBytes);
    }

    /// <summary>Adds the record whose payload stands in the room that was reserved.</summary>
    public void Add(long offset, int lengthBytes)
    {
        var record = new JournalRecord
        {
            Offset = (ulong)offset,
            LengthBytes = (uint)lengthBytes,
            Crc = Crc32C.HashToUInt32(
                _buffer.AsSpan(_recordAt + JournalConstants.RecordHeaderSize, lengthBytes)),
        };
        Span<byte> bytes = _buffer.AsSpan(_recordAt, JournalConstants.RecordHeaderSize);
        MemoryMarshal.Write(bytes, in record);
        _headersCrc = Crc32C.Append(_headersCrc, bytes);
        _filled = _recordAt + JournalConstants.RecordHeaderSize + lengthBytes;
        _records++;
    }

    /// <summary>Ends it. When this returns it is durable, and pending.</summary>
    /// <exception cref="IOException">The place failed; there is no valid journal.</exception>
    public void Commit()
    {
        Invariant.Holds(_records == _header.RecordCount, "a journal has as many records as its header says");
        var commit = new JournalCommit
        {
            HeadersCrc = _headersCrc,
            Magic = JournalConstants.CommitMagic,
            Number = _header.Number,
            TotalBytes = _header.TotalBytes,
        };
        Span<byte> bytes = MemoryMarshal.AsBytes(new Span<JournalCommit>(ref commit));
        commit.Crc = StructureChecksum.Of(bytes[4..]);
        Put(bytes);
        Invariant.Holds(_position + _filled == (long)_header.TotalBytes, "a journal is as long as its header says");
        int padded = (_filled + _place.BlockSize - 1) & -_place.BlockSize;
        _buffer.AsSpan(_filled, padded - _filled).Clear();
        _place.Write(_position, _buffer.AsSpan(0, padded));
        _place.Flush();
        IsPending = true;
    }

    /// <summary>The backing has, durably, what the journal says.</summary>
    public void NoteDone() => IsPending = false;

    /// <summary>Durably ends a journal that is done with, and leaves nothing behind where that can be.</summary>
    /// <exception cref="IOException">The place failed.</exception>
    public void Clear()
    {
        Invariant.Holds(!IsPending, "a journal that is pending isn't thrown away");
        if (_hasContent)
        {
            _place.Invalidate();
            _place.Remove();
            _hasContent = false;
        }
    }

    /// <summary>
    /// As <see cref="Clear"/>, for what an open has found: also where nothing is left, since a kill may have left that
    /// visible and not durable.
    /// </summary>
    /// <exception cref="IOException">The place failed.</exception>
    public void ClearFound()
    {
        if (_hasContent)
        {
            Clear();
        }
        else if (_place.Length > 0)
        {
            _place.Flush();
        }
    }

    /// <summary>
    /// Writes what it says to the backing; doesn't flush that. False: it isn't there any more, and nothing was
    /// written; it is pending no longer.
    /// </summary>
    /// <exception cref="IOException">It can't be read, or the backing failed.</exception>
    public bool TryApply(IBlockDevice backing, CancellationToken stop)
    {
        var reader = new JournalReader(_place);
        if (reader.Verify(out JournalHeader header) != JournalState.Valid || header.Number != _header.Number)
        {
            IsPending = false;
            return false;
        }

        _place.Flush(); // a kill may have left it visible and not durable, and what is about to change counts on it
        reader.Visit((offset, payload) =>
        {
            stop.ThrowIfCancellationRequested();
            backing.Write(offset, payload);
        });
        return true;
    }

    /// <inheritdoc/>
    public void Dispose() => _place.Dispose();

    private void Put(ReadOnlySpan<byte> bytes)
    {
        WriteOutUnlessFits(bytes.Length);
        bytes.CopyTo(_buffer.AsSpan(_filled));
        _filled += bytes.Length;
    }

    /// <summary>Writes whole blocks out, and keeps the rest.</summary>
    private void WriteOutUnlessFits(int bytes)
    {
        // A block is kept free for the padding at the end.
        if (_filled + bytes + _place.BlockSize <= _buffer.Length)
        {
            return;
        }

        int whole = _filled & -_place.BlockSize;
        _place.Write(_position, _buffer.AsSpan(0, whole));
        _buffer.AsSpan(whole, _filled - whole).CopyTo(_buffer);
        _position += whole;
        _filled -= whole;
    }
}
