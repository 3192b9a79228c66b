using System.Diagnostics;
using PCache.Core;
using PCache.Core.Inspection;
using PCache.Core.Pmem;
using PCache.Lab.Audits;

namespace PCache.Lab.Soak;

/// <summary>
/// Kills while threads run, and the checks at the end. Keeps true: what a kill leaves is copied between two stores,
/// memory and backing at the same moment, and what was acknowledged is noted before that; nothing is compared before it
/// is at rest.
/// </summary>
internal sealed partial class ConcurrencySoak
{
    private const int ChunkBytes = 1 << 20;
    private static readonly TimeSpan RestLimit = TimeSpan.FromSeconds(30);

    private void KillStep(Random random)
    {
        Thread.Sleep(random.Next(25));
        using var gate = new WorldGate();
        (RaceOracle.KillState shared, RaceOracle.KillState tail, byte[] image, SoakBacking backing) =
            _gate.WhileStopped(() =>
            (_shared.TakeKill(), _tail.TakeKill(), _place.Region.Copy(), _backing.Copy(gate)));
        using PmemRegion region = Load(image);
        CheckImage(region, "after a kill");
        PCacheOptions options = _deviceOptions with { Maintenance = MaintenanceMode.Manual };
        using PCacheDevice device = PCacheDevice.Open(region, backing, options);
        byte[] all = ReadAll(device);
        _shared.CheckKill(PartOf(all, _shared), shared, "after a kill");
        _tail.CheckKill(PartOf(all, _tail), tail, "after a kill");
        IntegrityAudit.Check(device, region);
        device.Drain();
        CheckSame(all, backing, "the backing of a killed cache, written back");
        Interlocked.Increment(ref _kills);
    }

    /// <summary>Everything is compared with everything.</summary>
    private SoakReport Finish()
    {
        SoakReport report = Report;
        _backing.FailEvery = 0;
        _device.ResumeWriteback();
        if (_options.Growth || _options.Shrink)
        {
            // Also ends a truncation, or a growth of the backing alone, that a failure has left behind.
            SoakRetry.UntilDone(() => _device.SetLength(Math.Max(_device.Length, _backing.Length) + Unit),
                tolerant: _options.FailEvery > 0);
        }

        byte[] all = ReadAll(_device);
        CheckAll(all, "at the end");
        _device.Flush();
        CheckKilledCopy(all);
        SoakRetry.UntilDone(() => _device.Drain(), tolerant: _options.FailEvery > 0);
        CheckSame(all, _backing, "the backing after the last drain");
        CheckSame(all, ReadAll(_device), "the device after the last drain");
        AuditAtRest();
        Close();
        CheckImage(_place.Region, "closed");

        // Again from the medium alone; all that was written is there, and nothing has leaked.
        _device = PCacheDevice.Open(_place.Region, _backing, _deviceOptions);
        CheckSame(all, ReadAll(_device), "the device opened again");
        AuditAtRest();
        return _backing.Violation is null ? report
            : throw new SoakException("The backing was used wrongly: " + _backing.Violation);
    }

    private void CheckAll(byte[] all, string what)
    {
        foreach (RaceOracle oracle in new[] { _shared, _tail })
        {
            ReadOnlySpan<byte> part = PartOf(all, oracle);
            long[] floors = new long[part.Length / Unit];
            oracle.TakeFloors(0, floors);
            oracle.CheckRead(0, part, floors, null, what);
        }

        foreach (SoakLane lane in _lanes)
        {
            lane.Check(all.AsSpan((int)lane.Start, SoakLane.LengthBytes), what);
        }
    }

    private void CheckKilledCopy(byte[] all)
    {
        using var gate = new WorldGate();
        (byte[] image, SoakBacking backing) = _gate.WhileStopped(() => (_place.Region.Copy(), _backing.Copy(gate)));
        using PmemRegion region = Load(image);
        CheckImage(region, "killed at the end");
        using PCacheDevice device = PCacheDevice.Open(region, backing,
            _deviceOptions with { Maintenance = MaintenanceMode.Manual });
        CheckSame(all, ReadAll(device), "a device killed at the end");
        IntegrityAudit.Check(device, region);
    }

    private void Close()
    {
        _device.Dispose();
        _place.Reopen();
    }

    /// <summary>The device's thread may still be at work on what needs no write-back.</summary>
    private void AuditAtRest()
    {
        long start = Stopwatch.GetTimestamp();
        while (true)
        {
            try
            {
                IntegrityAudit.Check(_device, _place.Region);
                return;
            }
            catch (Exception e) when (e is IntegrityException or PCacheException
                && Stopwatch.GetElapsedTime(start) < RestLimit)
            {
                Thread.Sleep(1);
            }
        }
    }

    private static void CheckImage(PmemRegion region, string what)
    {
        CheckReport check = CacheImage.Check(region);
        if (!check.IsSound)
        {
            throw new SoakException($"The image {what} isn't sound: {string.Join("; ", check.Findings.Take(5))}");
        }
    }

    private static void CheckSame(byte[] expected, SoakBacking backing, string what)
    {
        byte[] found = new byte[backing.Length];
        backing.Peek(0, found);
        CheckSame(expected, found, what);
    }

    private static void CheckSame(ReadOnlySpan<byte> expected, ReadOnlySpan<byte> found, string what)
    {
        int same = expected.CommonPrefixLength(found);
        if (same != expected.Length || same != found.Length)
        {
            throw new SoakException(same == Math.Min(expected.Length, found.Length)
                ? $"{what} is {found.Length} bytes long, not {expected.Length}."
                : $"{what} differs at byte {same}: 0x{found[same]:x2}, and the device had 0x{expected[same]:x2}.");
        }
    }

    /// <summary>What of an oracle's sectors is there: the tail may end anywhere.</summary>
    private static ReadOnlySpan<byte> PartOf(byte[] all, RaceOracle oracle)
    {
        int start = (int)Math.Min(oracle.BaseOffset, all.Length);
        return all.AsSpan(start, Math.Min(oracle.LengthBytes, all.Length - start));
    }

    private static byte[] ReadAll(PCacheDevice device)
    {
        byte[] bytes = new byte[device.Length];
        for (int at = 0; at < bytes.Length;)
        {
            int read = device.Read(at, bytes.AsSpan(at, Math.Min(ChunkBytes, bytes.Length - at)));
            at += read > 0 ? read : throw new SoakException($"Nothing is read at {at} of {bytes.Length}.");
        }

        return bytes;
    }

    private static PmemRegion Load(byte[] image)
    {
        PmemRegion region = PmemMemory.Allocate(image.Length);
        region.Write(0, image);
        return region;
    }
}
