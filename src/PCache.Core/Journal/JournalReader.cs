using System.Runtime.InteropServices;
using PCache.Core.Layout;
using PCache.Core.Primitives;

namespace PCache.Core.Journal;

/// <summary>What is done with a record.</summary>
internal delegate void JournalVisitor(long offset, ReadOnlySpan<byte> payload);

/// <summary>What stands in a journal's place.</summary>
internal enum JournalState
{
    /// <summary>Nothing: no file, no bytes, or zeros.</summary>
    None,

    /// <summary>Something that isn't a whole journal: what an interrupted checkpoint leaves.</summary>
    Torn,

    /// <summary>A whole journal.</summary>
    Valid,

    /// <summary>Something that never was a journal.</summary>
    Foreign,
}

/// <summary>
/// Reads a checkpoint journal. Keeps true: nothing of it counts before all of it was verified: header, every record's
/// payload, commit; whatever stands there, however forged, costs no more memory than a record and no more time than
/// reading its place once; records are handed out in order of offset, apart, and inside the length that the header
/// names. Changes nothing. Not thread-safe.
/// </summary>
internal sealed class JournalReader(JournalPlace place)
{
    private byte[] _buffer = []; // made for the first journal that there is
    private long _position; // of the first byte of the buffer
    private int _begin;
    private int _end;
    private JournalHeader _header;

    /// <summary>Reads all of it.</summary>
    /// <exception cref="IOException">The place can't be read.</exception>
    public JournalState Verify(out JournalHeader header)
    {
        header = default;
        _header = default;
        if (place.Length == 0)
        {
            return JournalState.None;
        }

        Rewind();
        ReadOnlySpan<byte> bytes = Take(JournalConstants.HeaderSize);
        if (bytes.IsEmpty || !bytes.ContainsAnyExcept((byte)0))
        {
            return bytes.IsEmpty ? JournalState.Foreign : JournalState.None;
        }

        JournalHeader found = MemoryMarshal.Read<JournalHeader>(bytes);
        if (found.Magic != JournalConstants.HeaderMagic && found.Magic != 0)
        {
            return JournalState.Foreign;
        }

        if (StructureChecksum.Of(bytes[4..]) != found.Crc || !IsPlausible(in found) || !Visit(in found, visitor: null))
        {
            return JournalState.Torn;
        }

        _header = found;
        header = found;
        return JournalState.Valid;
    }

    /// <summary>Hands out the records of a journal that was verified.</summary>
    /// <exception cref="IOException">The place can't be read, or was changed meanwhile.</exception>
    public void Visit(JournalVisitor visitor)
    {
        Rewind();
        if (Take(JournalConstants.HeaderSize).IsEmpty || !Visit(in _header, visitor))
        {
            throw new IOException($"The checkpoint journal {SafeName} was changed while it was read.");
        }
    }

    private string SafeName => Files.SafeText.Of(place.Name);

    private bool IsPlausible(in JournalHeader header)
    {
        const int least = JournalConstants.RecordHeaderSize + 1;
        return header.Magic == JournalConstants.HeaderMagic
            && header.Version == JournalConstants.Version
            && header.FirstSequence != 0
            && header.Number != 0
            && header.TotalBytes >= JournalConstants.HeaderSize + JournalConstants.CommitSize
            && header.TotalBytes <= (ulong)place.Length
            && header.RecordCount <= header.TotalBytes / least
            && header.BackingLength <= long.MaxValue
            && header.FromSegment <= int.MaxValue && header.FromOffset <= int.MaxValue
            && header.ToSegment <= int.MaxValue && header.ToOffset <= int.MaxValue;
    }

    private bool Visit(in JournalHeader header, JournalVisitor? visitor)
    {
        uint headers = Crc32C.HashToUInt32(MemoryMarshal.AsBytes(new ReadOnlySpan<JournalHeader>(in header)));
        ulong at = JournalConstants.HeaderSize;
        ulong end = 0;
        for (ulong i = 0; i < header.RecordCount; i++)
        {
            ReadOnlySpan<byte> bytes = Take(JournalConstants.RecordHeaderSize);
            if (bytes.IsEmpty)
            {
                return false;
            }

            headers = Crc32C.Append(headers, bytes);
            JournalRecord record = MemoryMarshal.Read<JournalRecord>(bytes);
            if (record.LengthBytes is 0 or > JournalConstants.MaxRecordBytes
                || record.Offset < end
                || record.Offset > header.BackingLength
                || record.LengthBytes > header.BackingLength - record.Offset)
            {
                return false;
            }

            end = record.Offset + record.LengthBytes;
            at += JournalConstants.RecordHeaderSize + record.LengthBytes;
            ReadOnlySpan<byte> payload = Take((int)record.LengthBytes);
            if (payload.IsEmpty || Crc32C.HashToUInt32(payload) != record.Crc)
            {
                return false;
            }

            visitor?.Invoke((long)record.Offset, payload);
        }

        ReadOnlySpan<byte> last = Take(JournalConstants.CommitSize);
        if (last.IsEmpty || at + JournalConstants.CommitSize != header.TotalBytes)
        {
            return false;
        }

        JournalCommit commit = MemoryMarshal.Read<JournalCommit>(last);
        return commit.Crc == StructureChecksum.Of(last[4..])
            && commit.Magic == JournalConstants.CommitMagic
            && commit.HeadersCrc == headers
            && commit.Number == header.Number
            && commit.TotalBytes == header.TotalBytes;
    }

    private void Rewind()
    {
        _buffer = _buffer.Length > 0 ? _buffer : new byte[JournalConstants.BufferBytes];
        (_position, _begin, _end) = (0, 0, 0);
    }

    /// <summary>The next bytes; valid until the next call. Empty: there are fewer.</summary>
    private ReadOnlySpan<byte> Take(int count)
    {
        if (_end - _begin < count)
        {
            Fill(count);
        }

        if (_end - _begin < count)
        {
            return default;
        }

        _begin += count;
        return _buffer.AsSpan(_begin - count, count);
    }

    private void Fill(int count)
    {
        // Reads begin at block boundaries: what stays is moved to the front with what precedes it in its block.
        int block = place.BlockSize;
        int keep = _begin & -block;
        _buffer.AsSpan(keep, _end - keep).CopyTo(_buffer);
        (_position, _begin, _end) = (_position + keep, _begin - keep, _end - keep);
        long length = place.Length;
        while (_end - _begin < count)
        {
            int room = (int)Math.Min((_buffer.Length - _end) & -block, length - _position - _end);
            int read = room <= 0 || _end % block != 0 ? 0 : place.Read(_position + _end, _buffer.AsSpan(_end, room));
            if (read == 0)
            {
                return;
            }

            _end += read;
        }
    }
}
