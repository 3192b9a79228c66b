// The example of docs/quick-start.md: a small database on a cache. Keeps true: what the page shows is what runs here.

using System.Buffers.Binary;

namespace PCache.Core.Tests.Docs.Example;

// example: accounts
/// <summary>
/// Accounts in a file. A transfer changes two of them; whatever crashes, both have changed or neither.
/// </summary>
internal sealed class Accounts
{
    private const int SectorBytes = 512; // a sector is never torn: a record inside one needs no checksum
    private readonly IBlockDevice _device;

    public Accounts(IBlockDevice device)
    {
        _device = device;
        // the last transfer that was decided: apply it again, which changes nothing if it was there already
        var record = new byte[SectorBytes];
        _ = _device.Read(0, record);
        Apply(record);
        _device.Flush();
    }

    public long Balance(int account)
    {
        Span<byte> bytes = stackalloc byte[8];
        _ = _device.Read(Place(account), bytes);
        return BinaryPrimitives.ReadInt64LittleEndian(bytes);
    }

    /// <summary>When it returns, the transfer survives what a flush survives.</summary>
    public void Transfer(int from, int to, long amount)
    {
        var record = new byte[SectorBytes];
        Put(record, 0, from, Balance(from) - amount);
        Put(record, 16, to, Balance(to) + amount);
        _device.Flush(); // the transfer before this one is in its place, so its record may go
        _device.Write(0, record, WriteDurability.ForceUnitAccess); // from here on this one is decided
        Apply(record);
    }

    private static long Place(long account) => SectorBytes + (account * 8);

    private static void Put(byte[] record, int at, int account, long balance)
    {
        BinaryPrimitives.WriteInt64LittleEndian(record.AsSpan(at), account);
        BinaryPrimitives.WriteInt64LittleEndian(record.AsSpan(at + 8), balance);
    }

    private void Apply(byte[] record)
    {
        _device.Write(Place(BinaryPrimitives.ReadInt64LittleEndian(record)), record.AsSpan(8, 8));
        _device.Write(Place(BinaryPrimitives.ReadInt64LittleEndian(record.AsSpan(16))), record.AsSpan(24, 8));
    }
}

// end of example
