using PCache.Core;
using PCache.Lab.Audits;

namespace PCache.Lab.Torture;

/// <summary>
/// One line of the cache device goes bad, before an open or while the cache is open. Keeps true: what is read is right, or the read fails with a documented error;
/// of two replicas one is enough; clean payload is read again from the backing; of dirty payload only its own range fails, is never written back, and everything else goes
/// on: write-back of the rest, GC, writing over it. Not thread-safe.
/// </summary>
internal sealed class PoisonedLines(TortureCounters counters)
{
    private const int Stripe = 4 << 20;
    private const int Elsewhere = 1 << 20; // no check looks there

    private static readonly WorldAction[] Script =
    [
        new(ActionKind.Write, 0, 4096), new(ActionKind.Write, Stripe - 1024, 2048), new(ActionKind.Flush), new(ActionKind.Drain),
        new(ActionKind.Write, 1024, 1024), new(ActionKind.Write, Stripe + (17 << 10), 2048), new(ActionKind.Force, Stripe + (20 << 10), 700),
        new(ActionKind.Zeroes, 8192, 1024), new(ActionKind.Read), new(ActionKind.Write, 6144, 512), new(ActionKind.Flush),
    ];

    /// <summary>Lines tried.</summary>
    public int Lines { get; private set; }

    /// <summary>Every line, before an open and while open; the first promise that was broken, or null.</summary>
    /// <param name="settings">The machine; with payload checksums, since without them payload damage can't be seen.</param>
    public TortureFailure? Run(WorldSettings settings)
    {
        World first = Make(settings);
        counters.Workloads++;
        foreach (MediaLine line in MediaLines.Of(first.Region))
        {
            foreach (bool open in new[] { false, true })
            {
                string when = open ? "while open" : "before an open";
                try
                {
                    Lines++;
                    if (open)
                    {
                        WhileOpen(Make(settings), line);
                    }
                    else
                    {
                        BeforeOpen(first, line);
                    }
                }
                catch (Exception e) when (e is not OutOfMemoryException)
                {
                    return new TortureFailure(settings.Seed, $"poisoned {when}: {line.Name} at {line.Offset}", e.Message, settings.ToString(), [.. Script.Select(a => a.ToString())], e);
                }
            }
        }

        return null;
    }

    private static World Make(WorldSettings settings)
    {
        var world = new World(settings);
        world.RunActions(Script);
        return world;
    }

    private static void BeforeOpen(World world, MediaLine line)
    {
        using SimulatedPmem region = world.Region.AfterKill();
        SimulatedDisk disk = world.Disk.AfterKill();
        region.Poison(line.Offset, MediaLines.LineBytes);
        PCacheDevice device;
        try
        {
            device = PCacheDevice.Open(region, disk, WorldSettings.InFrontOf(disk, world.Options));
        }
        catch (IOException) when (line.Kind is LineKind.Only or LineKind.Log)
        {
            return;
        }

        Judge(world, device, region, disk, line);
    }

    private static void WhileOpen(World world, MediaLine line)
    {
        world.Region.Poison(line.Offset, MediaLines.LineBytes);
        Judge(world, world.Device, world.Region, world.Disk, line);
    }

    private static void Judge(World world, PCacheDevice device, SimulatedPmem region, SimulatedDisk disk, MediaLine line)
    {
        bool payload = line.Kind == LineKind.Payload;
        bool dirty = payload && line.IsDirty;
        world.Oracle.CheckEach(device, _ => false, (sector, error) => dirty && error is PCacheDamagedDataException && IsOfKey(sector));
        device.Write(Elsewhere, new byte[512]);
        try
        {
            device.Flush();
            device.Drain();
            if (device.GetStatus().IsDegraded)
            {
                throw new TortureViolation("A drain succeeded, though a range is damaged.");
            }
        }
        catch (PCacheDamagedDataException) when (dirty)
        {
        }
        catch (IOException) when (line.Kind is LineKind.Only or LineKind.Log)
        {
            return; // the medium; what is in memory was right
        }

        world.Oracle.CheckEach(disk, sector => dirty && IsOfKey(sector), (_, _) => false);
        if (dirty)
        {
            CheckUntouched(disk, line);
        }

        if (payload)
        {
            GoOn(world, device, region, line);
        }

        world.Oracle.CheckEach(device, sector => payload && IsOfKey(sector), (_, _) => false);
        if (line.Kind is LineKind.OneReplica or LineKind.Payload)
        {
            SimulatedDisk left = disk.AfterKill();
            using PCacheDevice again = PCacheDevice.Open(region.AfterKill(), left, WorldSettings.InFrontOf(left, world.Options));
            world.Oracle.CheckEach(again, sector => payload && IsOfKey(sector), (_, _) => false);
        }

        bool IsOfKey(long sector) => (ulong)((sector + 1) * 512) > line.Key.Offset && (ulong)(sector * 512) < line.Key.End;
    }

    /// <summary>Nothing of what the poison left has come to the backing.</summary>
    private static void CheckUntouched(SimulatedDisk disk, MediaLine line)
    {
        var bytes = new byte[line.Key.Length];
        disk.Peek((long)line.Key.Offset, bytes);
        Span<byte> poison = stackalloc byte[16];
        poison.Fill(SimulatedPmem.PoisonByte);
        if (bytes.AsSpan().IndexOf(poison) >= 0)
        {
            throw new TortureViolation("Damaged payload was written to the backing.");
        }
    }

    /// <summary>The damaged range is written over; then nothing is wrong any more, and the cache turns over some times.</summary>
    private static void GoOn(World world, PCacheDevice device, SimulatedPmem region, MediaLine line)
    {
        int length = (int)Math.Min(line.Key.Length, device.Length - (long)line.Key.Offset); // the key of the last sector is whole
        device.Write((long)line.Key.Offset, new byte[length]);
        if (device.GetStatus().IsDegraded)
        {
            throw new TortureViolation("The damaged range was written over, but the device is still degraded.");
        }

        device.Drain();
        var bytes = new byte[4096];
        for (int i = world.Settings.Segments * 32; i > 0; i--)
        {
            device.Write(Elsewhere, bytes);
        }

        device.Drain();
        for (int i = 0; device.RunMaintenanceStep() == TimeSpan.Zero; i++)
        {
            if (i > 100_000)
            {
                throw new TortureViolation("Maintenance never comes to rest.");
            }
        }

        IntegrityAudit.Check(device, region);
        var found = new byte[length];
        found.AsSpan().Fill(1);
        if (device.Read((long)line.Key.Offset, found) != found.Length || found.AsSpan().ContainsAnyExcept((byte)0))
        {
            throw new TortureViolation("What was written over the damage isn't there.");
        }
    }
}
