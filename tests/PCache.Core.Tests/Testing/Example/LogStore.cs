// A key-value store in one log, small enough to read, complete enough to be wrong in the usual ways. On the device: two
// slots of 512 bytes for superblocks, then two areas. The superblock with the higher generation names the live area;
// the area holds records, one after the other.

using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace PCache.Core.Tests.Testing.Example;

/// <summary>
/// Keeps true: what was committed is found by every later open, whatever happens in between; the live area up to its
/// last whole record is the content; an area becomes live only after all its records are durable. Not thread-safe.
/// </summary>
internal class LogStore : IDisposable
{
    private const int SectorBytes = 512;
    private const int HeadBytes = 32;

    private readonly SortedDictionary<string, string> _content = [];
    private readonly long _areaBytes;
    private ulong _generation;
    private long _end; // of the live area's records, from its start

    protected LogStore(IBlockDevice device)
    {
        Device = device;
        _areaBytes = ((device.Length / SectorBytes) - 2) / 2 * SectorBytes;
    }

    /// <summary>All names, in order.</summary>
    public IEnumerable<string> Names => _content.Keys;

    protected IBlockDevice Device { get; }

    private long Area => (2 * SectorBytes) + ((long)(_generation % 2) * _areaBytes);

    /// <summary>Opens the store; a device of zeros is an empty one.</summary>
    public static LogStore Open(IBlockDevice device) => new LogStore(device).Recover();

    public string? Get(string name) => _content.GetValueOrDefault(name);

    /// <summary>Sets a value, or removes it (null). Durable after the next commit.</summary>
    public void Put(string name, string? value)
    {
        byte[] record = Record(name, value);
        if (_end + record.Length > _areaBytes)
        {
            Compact();
        }

        if (_end + record.Length > _areaBytes)
        {
            throw new IOException("The store is full.");
        }

        record = Record(name, value); // of the generation that is live now
        Device.Write(Area + _end, record);
        _end += record.Length;
        Apply(name, value);
    }

    /// <summary>Makes every change so far durable.</summary>
    public virtual void Commit() => Device.Flush();

    public void Dispose() => Device.Dispose();

    /// <summary>
    /// Reads the superblocks and the live area, then goes on in a fresh area, where nothing stale can follow.
    /// </summary>
    public LogStore Recover()
    {
        SettleWhatIsThere();
        var slots = new byte[2 * SectorBytes];
        _ = Device.Read(0, slots);
        for (int slot = 0; slot < 2; slot++)
        {
            ReadOnlySpan<byte> superblock = slots.AsSpan(slot * SectorBytes, SectorBytes);
            ulong generation = BinaryPrimitives.ReadUInt64LittleEndian(superblock);
            if (generation > _generation && superblock[8..16].SequenceEqual(Checksum(superblock[..8])))
            {
                _generation = generation;
            }
        }

        if (_generation > 0)
        {
            ReadRecords();
        }

        Compact();
        return this;
    }

    /// <summary>
    /// What a killed process has written may be read, but isn't durable yet: nothing must be built on it before.
    /// </summary>
    protected virtual void SettleWhatIsThere() => Device.Flush();

    /// <summary>Whether the record that begins here, of so many bytes, was written completely.</summary>
    protected virtual bool IsWhole(ReadOnlySpan<byte> record) => record[..8].SequenceEqual(Checksum(record[8..]));

    /// <summary>Makes the area live that has just been written.</summary>
    protected virtual void Publish(byte[] superblock, int slot)
    {
        Device.Flush(); // the records before the superblock that names them
        Device.Write(slot * SectorBytes, superblock);
        Device.Flush();
    }

    private static byte[] Checksum(ReadOnlySpan<byte> bytes) => SHA256.HashData(bytes)[..8];

    /// <summary>Reads the live area up to the last whole record.</summary>
    private void ReadRecords()
    {
        var head = new byte[SectorBytes];
        while (_end + SectorBytes <= _areaBytes)
        {
            _ = Device.Read(Area + _end, head);
            int nameBytes = BinaryPrimitives.ReadInt32LittleEndian(head.AsSpan(16));
            int valueBytes = BinaryPrimitives.ReadInt32LittleEndian(head.AsSpan(20));
            long length = Padded(HeadBytes + (long)nameBytes + Math.Max(0, valueBytes));
            if (BinaryPrimitives.ReadUInt64LittleEndian(head.AsSpan(8)) != _generation || nameBytes <= 0
                || valueBytes < -1 || length > _areaBytes - _end)
            {
                return;
            }

            var record = new byte[length];
            _ = Device.Read(Area + _end, record);
            if (!IsWhole(record))
            {
                return;
            }

            string name = Encoding.UTF8.GetString(record, HeadBytes, nameBytes);
            Apply(name, valueBytes < 0 ? null : Encoding.UTF8.GetString(record, HeadBytes + nameBytes, valueBytes));
            _end += length;
        }
    }

    /// <summary>Writes the content to the other area, then makes that one live.</summary>
    private void Compact()
    {
        ulong before = _generation;
        long endBefore = _end;
        try
        {
            _generation++;
            _end = 0;
            foreach ((string name, string value) in _content)
            {
                byte[] record = Record(name, value);
                Device.Write(Area + _end, record);
                _end += record.Length;
            }

            var superblock = new byte[SectorBytes];
            BinaryPrimitives.WriteUInt64LittleEndian(superblock, _generation);
            Checksum(superblock.AsSpan(0, 8)).CopyTo(superblock, 8);
            Publish(superblock, (int)(_generation % 2));
        }
        catch (IOException)
        {
            (_generation, _end) = (before, endBefore);
            throw;
        }
    }

    private void Apply(string name, string? value)
    {
        _ = _content.Remove(name);
        if (value is not null)
        {
            _content.Add(name, value);
        }
    }

    /// <summary>Checksum, generation, lengths, name, value; whole sectors, so that no sector has two records.</summary>
    private byte[] Record(string name, string? value)
    {
        byte[] nameBytes = Encoding.UTF8.GetBytes(name);
        byte[] valueBytes = Encoding.UTF8.GetBytes(value ?? "");
        var record = new byte[Padded(HeadBytes + nameBytes.Length + valueBytes.Length)];
        BinaryPrimitives.WriteUInt64LittleEndian(record.AsSpan(8), _generation);
        BinaryPrimitives.WriteInt32LittleEndian(record.AsSpan(16), nameBytes.Length);
        BinaryPrimitives.WriteInt32LittleEndian(record.AsSpan(20), value is null ? -1 : valueBytes.Length);
        nameBytes.CopyTo(record, HeadBytes);
        valueBytes.CopyTo(record, HeadBytes + nameBytes.Length);
        Checksum(record.AsSpan(8)).CopyTo(record, 0);
        return record;
    }

    private static long Padded(long bytes) => (bytes + SectorBytes - 1) / SectorBytes * SectorBytes;
}
