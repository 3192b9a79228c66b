// What calls do once nothing stands in their way. Keeps true: one call's whole effect happens under the disk's lock;
// what is refused has had none.

using PCache.Core;

namespace PCache.Testing;

public sealed partial class SimulatedDisk
{
    private int ReadNow(DiskCall call, Span<byte> buffer, DiskFault? fault)
    {
        using (_gate.Hold())
        {
            CheckAligned(call);
            int asked = fault?.Kind == DiskFaultKind.ShortRead ? buffer.Length / 2 : buffer.Length;
            int count = (int)Math.Clamp(_state.Length - call.Offset, 0, asked);
            _state.Read(call.Offset, buffer[..count]);
            return count;
        }
    }

    private void RunNow(DiskCall call, long changes, DiskFault? fault)
    {
        switch (call.Operation)
        {
            case DiskOperation.Flush:
                if (fault?.Kind != DiskFaultKind.Lost)
                {
                    using (_gate.Hold())
                    {
                        _state.Flush(changes);
                    }
                }

                break;
            case DiskOperation.WriteZeroes:
                WriteNow(call, [], fault);
                break;
            case DiskOperation.Discard:
                DiscardNow(call);
                break;
            default:
                SetLengthNow(call.Offset);
                break;
        }
    }

    /// <summary>Writes the bytes; those of the call, or zeros if there are none.</summary>
    private void WriteNow(DiskCall call, ReadOnlySpan<byte> bytes, DiskFault? fault)
    {
        CheckWritable();
        using (_gate.Hold())
        {
            CheckAligned(call);
            long length = call.LengthBytes;
            if (length > 0 && call.Offset > _state.Length - length)
            {
                if (!CanResize || !Options.GrowsOnWrite)
                {
                    string violation = $"write of {call.Offset}+{length} past the end {_state.Length}";
                    _violations.Add(violation);
                    throw new ArgumentOutOfRangeException(nameof(call), violation);
                }

                _state.SetLength(call.Offset + length);
            }

            switch (fault?.Kind)
            {
                case DiskFaultKind.Lost:
                    return;
                case DiskFaultKind.Misdirect:
                    Store(Misdirected(call, fault.MisdirectBy), length, bytes);
                    return;
                case DiskFaultKind.HalfThenError:
                    long half = (call.Offset + (length / 2)) / DiskState.SectorBytes * DiskState.SectorBytes;
                    bytes = bytes[..(int)Math.Max(0, half - call.Offset)];
                    Store(call.Offset, bytes.Length, bytes);
                    return;
                default:
                    Store(call.Offset, length, bytes);
                    break;
            }

            if (call.Durability == WriteDurability.ForceUnitAccess)
            {
                _state.FlushRange(call.Offset, length);
            }
        }
    }

    private long Misdirected(DiskCall call, long by)
    {
        long last = _state.Length - call.LengthBytes;
        return by <= last - call.Offset && by >= -call.Offset
            ? call.Offset + by
            : Math.Clamp(call.Offset - Math.Clamp(by, -last, last), 0, last);
    }

    private void Store(long offset, long length, ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length == length)
        {
            _state.Write(offset, bytes);
        }
        else
        {
            Fill(offset, length, 0);
        }
    }

    /// <summary>Fills a range of any length, each sector at once.</summary>
    private void Fill(long offset, long length, byte value)
    {
        var part = new byte[(int)Math.Min(length, 1 << 20)];
        Array.Fill(part, value);
        while (length > 0)
        {
            int n = (int)Math.Min(
                length, part.Length < length ? part.Length - (offset % DiskState.SectorBytes) : part.Length);
            _state.Write(offset, part.AsSpan(0, n));
            offset += n;
            length -= n;
        }
    }

    private void DiscardNow(DiskCall call)
    {
        CheckWritable();
        using (_gate.Hold())
        {
            CheckAligned(call);
            if (CanDiscard)
            {
                Fill(call.Offset, Math.Clamp(_state.Length - call.Offset, 0, call.LengthBytes), 0xDD);
            }
        }
    }

    private void SetLengthNow(long length)
    {
        CheckWritable();
        if (!CanResize)
        {
            throw new NotSupportedException("The disk has a fixed length.");
        }

        using (_gate.Hold())
        {
            _state.SetLength(length);
        }
    }

    private void CheckWritable()
    {
        if (!CanWrite)
        {
            throw new NotSupportedException("The disk is read-only.");
        }
    }

    private void CheckAligned(DiskCall call)
    {
        if (call.Offset % BlockSize != 0
            || (call.LengthBytes % BlockSize != 0 && call.Offset != _state.Length - call.LengthBytes))
        {
            string violation = $"{call.Operation} of {call.Offset}+{call.LengthBytes} isn't a multiple of {BlockSize}";
            _violations.Add(violation);
            throw new ArgumentException(violation, nameof(call));
        }
    }
}
