// Keeps true: an acknowledgement is logged only after Flush or the FUA write has returned; ids are made in ascending
// order, with a flush after WritePlan.MaxWritesPerFlush writes at the latest.
using PCache.Core;

namespace PCache.Tool.Kills;

/// <summary>One thread of a writer process.</summary>
internal static class PlannedWriter
{
    /// <summary>
    /// Writes until all ids are used up, or told to stop; returns the next id. If it persists, each write that returns
    /// counts as acknowledged, and none is flushed.
    /// </summary>
    public static uint Run(PCacheDevice device, WritePlan plan, AckWriter log, uint id, Func<bool>? stop = null,
        bool persists = false)
    {
        byte[] buffer = new byte[WritePlan.MaxSectorsPerWrite * MarkedSector.SectorSize];
        uint sinceFlush = 0;
        for (; id <= MarkedSector.MaxWriteId && stop?.Invoke() != true; id += plan.Writers)
        {
            PlannedWrite write = plan.Get(id);
            Span<byte> content = buffer.AsSpan(0, (int)write.SectorCount * MarkedSector.SectorSize);
            MarkedSector.Fill(content, write.FirstSector, id);
            if (persists)
            {
                device.Write((long)write.FirstSector * MarkedSector.SectorSize, content);
                log.Flushed(id); // as if it had been: this writer's writes up to this one are there
                continue;
            }

            WriteDurability durability = write.ForceUnitAccess ? WriteDurability.ForceUnitAccess
                : WriteDurability.Normal;
            device.Write((long)write.FirstSector * MarkedSector.SectorSize, content, durability);
            if (write.ForceUnitAccess)
            {
                log.ForceUnitAccess(id);
            }

            sinceFlush++;
            if (write.FlushAfter || sinceFlush == WritePlan.MaxWritesPerFlush)
            {
                device.Flush();
                log.Flushed(id);
                sinceFlush = 0;
            }
        }

        if (sinceFlush > 0)
        {
            device.Flush(); // the count begins anew with the next call
            log.Flushed(id - plan.Writers);
        }

        return id;
    }
}
