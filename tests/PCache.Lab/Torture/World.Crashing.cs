namespace PCache.Lab.Torture;

/// <summary>Crashes after which the run goes on. Keeps true: what is left was taken at one moment, and nothing that the dead machine still does reaches it.</summary>
internal sealed partial class World
{
    /// <summary>Takes what is left of the machine when its time has come; the rest of the step runs on, to no effect.</summary>
    private void MayCrash()
    {
        if (_cutAt == 0 || --_cutAt > 0)
        {
            return;
        }

        var region = SimulatedPmem.Allocate(Region.LengthBytes, _settings.DrainIsCheap);
        if (_cutIsKill)
        {
            region.LoadKill(Region);
        }
        else
        {
            var versions = new int[Region.Open.Count];
            CrashStates.Draw(Region.Open.All, versions, _crashes);
            region.LoadPowerCut(Region, versions);
        }

        _left = (region, _cutIsKill ? Disk.AfterKill() : Disk.AfterPowerCut(_crashes));
        Unhook();
    }

    private void GoOn()
    {
        (SimulatedPmem region, SimulatedDisk disk) = _left!.Value;
        _left = null;
        Crashes++;
        _within.Clear();
        _faulted = false;
        _drainFailsAt = 0;
        Region = region;
        Disk = disk;
        Disk.Heal();
        Disk.Companion?.Heal();
        Hook();
        Open();
        bool truncating = Oracle.History.Limit != long.MaxValue;
        Quietly(device => Oracle.Adopt(device, _cutIsKill));
        if (truncating)
        {
            Device.Drain();
            Oracle.History.Limit = Oracle.Operations.Limit = long.MaxValue;
            Oracle.CheckDrained(Disk.AfterPowerCut(null));
        }
    }
}
