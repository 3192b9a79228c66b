using PCache.Core;
using PCache.Core.Layout;
using PCache.Core.Segments;

namespace PCache.Lab.Torture;

/// <summary>
/// What takes too many steps to write it into a script: a log that is about to go on in its next segment, a cache
/// without room, a device that was another cache before. Keeps true: none of it is observed or crashes, and nothing
/// that was put off comes in between; the oracle knows what it makes durable.
/// </summary>
internal sealed partial class World
{
    /// <summary>What the cache was bound to in its earlier life.</summary>
    public static readonly Guid EarlierIdentity = new(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11);

    /// <summary>What the threshold for GC was in the earlier life; then one more.</summary>
    public const int EarlierGcPercent = 33;

    /// <summary>Offset that fillings write to: the oracles look elsewhere.</summary>
    private const long Scratch = 1 << 20;

    /// <summary>The superblock that the format writes.</summary>
    public byte[] Superblock { get; private set; } = [];

    /// <summary>Whether the device is being opened: the one before it has nothing to say any more.</summary>
    public bool IsOpening { get; private set; }

    /// <summary>
    /// An earlier cache on the region: log and payload have been everywhere, and replicas are written several times.
    /// </summary>
    private void Age()
    {
        PCacheOptions options = _settings.Options(_clock) with
        {
            BackingIdentity = EarlierIdentity,
            WritebackDelay = TimeSpan.Zero,
            GcThresholdPercent = 0,
            LeaveBackingOpen = false,
            BackingConsistency = BackingConsistency.EachFlush,
        };
        byte[] bytes = SectorStamps.Make(0, 8192, 1 << 20);
        using (PCacheDevice device = PCacheDevice.Create(Region,
            new SimulatedDisk(_settings.Length, _settings.DiskOptions(_clock)), options))
        {
            device.SetGcThreshold(EarlierGcPercent);
            for (int i = 0; i < _settings.Segments * _settings.AgedTurns; i++)
            {
                device.Write(0, bytes, WriteDurability.ForceUnitAccess);
                for (int j = 0; j < 20; j++)
                {
                    device.WriteZeroes(Scratch + (j * 4096), 512, WriteDurability.ForceUnitAccess);
                }

                _ = device.RunMaintenanceStep();
            }

            device.SetGcThreshold(EarlierGcPercent + 1);
            device.Write(0, bytes);
        }

        using SimulatedPmem other = SimulatedPmem.Allocate(Region.LengthBytes);
        PCacheDevice.Create(other, new SimulatedDisk(_settings.Length, _settings.DiskOptions(_clock)),
            Options with { LeaveBackingOpen = false, BackingConsistency = BackingConsistency.EachFlush }).Dispose();
        Superblock = other.ReadSpan(MediaConstants.SuperblockOffset, MediaConstants.BlockSize).ToArray();
    }

    /// <summary>Fills the log's segment with small ksets, up to so many bytes before its end.</summary>
    /// <param name="margin">Bytes.</param>
    /// <param name="twice">The next segment is filled likewise, without any maintenance, so that the one after it isn't
    /// made ready.</param>
    private void FillLog(int margin, bool twice)
    {
        int room = _settings.SegmentBytes - MediaConstants.SegmentDataOffset;
        if (_settings.SegmentBytes > 64 << 10 || _nested || _left is not null)
        {
            return;
        }

        Unobserved(() =>
        {
            int segment = Device.Internals.Store.Positions.KeyHead.Position.Segment;
            for (int i = 0; (twice && Device.Internals.Store.Positions.KeyHead.Position.Segment == segment)
                || room - Device.Internals.Store.Positions.KeyHead.Position.Offset > margin && i < 2000; i++)
            {
                Device.WriteZeroes(Scratch + (i % 16 * 4096), 512, WriteDurability.ForceUnitAccess);
                if (i % 100 == 50 && !_paused && Device.Internals.Store.Positions.KeyHead.Position.Segment == segment)
                {
                    Device.Drain();
                    Maintain(40); // so that a replay has little to do
                }
            }
        });
    }

    /// <summary>Turns the cache over: writes so many times 8 KiB, each of them forced.</summary>
    private void Churn(int times)
    {
        byte[] bytes = SectorStamps.Make(Scratch, 8192, 1);
        if (_settings.SegmentBytes <= 64 << 10 && !_nested && _left is null)
        {
            Unobserved(() =>
            {
                for (int i = 0; i < times; i++)
                {
                    Device.Write(Scratch + (i % 4 * 8192), bytes, WriteDurability.ForceUnitAccess);
                }
            });
        }
    }

    /// <summary>
    /// Takes keys until there is no room for more: all of them can be logged, and GC makes room again.
    /// </summary>
    private void FillKeys()
    {
        if (_settings.SegmentBytes > 64 << 10 || _nested || _left is not null || _paused)
        {
            return;
        }

        Unobserved(() =>
        {
            Device.PauseWriteback();
            try
            {
                for (int i = 0; i < 12_000; i++)
                {
                    Device.WriteZeroes(Scratch + (i % 4000 * 512), 512);
                }
            }
            catch (PCacheFullException)
            {
                // As it should be, soon or late.
            }

            Device.Flush();
            Device.ResumeWriteback();
            Device.Drain();
            Maintain(400);
        });
    }

    /// <summary>
    /// Gives away all segments with payload, as an implementation may that doesn't collect first: nothing in them is
    /// dirty, and their raised generation makes the log's keys dead.
    /// </summary>
    private void GiveAway()
    {
        if (_settings.SegmentBytes > 64 << 10 || _nested || _left is not null)
        {
            return;
        }

        Device.Drain();
        SegmentTable segments = Device.Internals.Store.Segments;
        bool[] given = [.. Enumerable.Range(0, segments.Count).Select(i => segments.References(i) > 0)];
        _closed = true;
        Unhook();
        Device.Dispose();
        Oracle.Flushed();
        for (int i = 0; i < given.Length; i++)
        {
            long at = MediaConstants.SegmentsOffset + ((long)i * _settings.SegmentBytes)
                + MediaConstants.SegmentControlOffset;
            _ = Replicas.Read(Region, at, MediaConstants.GenerationStride, out GenerationRecord latest, out _,
                out ReplicaState state);
            for (int replica = 0; given[i] && replica < 2; replica++)
            {
                var next = new GenerationRecord { Generation = latest.Generation + 1 };
                Replicas.Write(Region, at, MediaConstants.GenerationStride, ref next, ref state);
            }
        }

        Hook();
        Open();
        if (Device.Recovery.DeadKeys == 0)
        {
            throw new TortureViolation("No key died of a segment given away.");
        }

        Quietly(Oracle.CheckCurrent);
    }

    private void Unobserved(Action action)
    {
        bool quiet = _quiet;
        bool observing = _observing;
        _quiet = _observing = true;
        try
        {
            action();
        }
        finally
        {
            _quiet = quiet;
            _observing = observing;
        }

        Device.Flush();
        IfAlive(Oracle.Flushed);
    }
}
