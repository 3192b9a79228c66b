using PCache.Core;
using PCache.Core.Inspection;
using PCache.Core.Pmem;

namespace PCache.Lab.Hostile;

/// <summary>
/// Work with an image that was opened for writing: reads, writes, maintenance, a drain, a close, and another open.
/// Keeps true: whatever stood in the image, the device behaves as a disk from then on, and leaves an image that the
/// model reader reads as the same disk.
/// </summary>
internal sealed class HostileSession(HostileImage image, PCacheDevice device, ModelImage model)
{
    private const int MostBytes = 12_000;
    private const int StepLimit = 20_000;

    private readonly Random _random = new(~image.Seed);
    private readonly SectorUniverse _universe = SectorUniverse.Of(model, image.Base.Backing.Length);
    private ImageOracle _oracle = null!;
    private bool _damaged;
    private bool _full;

    /// <summary>What is wrong, or null.</summary>
    /// <param name="region">The region that the device is open on.</param>
    /// <param name="clock">The device's clock.</param>
    public string? Run(PmemRegion region, VirtualClock clock)
    {
        _oracle = ImageOracle.Of(_universe, model, image.Mutant, image.Base.Backing);
        _damaged = model.LiveKeys.Exists(k => !k.Fits);
        string? wrong = _oracle.Compare(device);
        _oracle.ForgetInconsistent(model, image.Base.Backing);
        int count = _random.Next(2, 9);
        for (int i = 0; i < count && wrong is null; i++)
        {
            wrong = Operate(clock);
        }

        wrong ??= _oracle.Compare(device, _damaged);
        if (wrong is null && _random.Next(2) == 0)
        {
            wrong = Drain() ?? _oracle.Compare(device, _damaged);
        }

        device.Dispose();
        return wrong ?? CheckAfterwards(region);
    }

    private string? Operate(VirtualClock clock)
    {
        int window = _random.Next(_universe.Windows.Count);
        int most = (int)Math.Min(_universe.Windows[window].Count * 512L,
            image.Base.Backing.Length - (_universe.Windows[window].First * 512));
        int at = _random.Next(most);
        int length = _random.Next(1, Math.Min(MostBytes, most - at) + 1);
        switch (_random.Next(10))
        {
            case 0:
                device.Flush();
                return null;
            case 1:
                Write(window, at, new byte[length], zeros: true);
                return null;
            case 2:
                device.Discard((_universe.Windows[window].First * 512) + at, length);
                _oracle.Write(window, at, new byte[length], failed: true);
                return null;
            case 3:
                return _oracle.CompareRange(device, window, at, length);
            case 4:
                clock.Advance(TimeSpan.FromSeconds(_random.Next(10)));
                return Rest();
            case 5:
                _ = device.RunMaintenanceStep();
                _ = device.GetStatus();
                return null;
            default:
                byte[] data = new byte[length];
                _random.NextBytes(data);
                Write(window, at, data, zeros: false);
                return null;
        }
    }

    private void Write(int window, int at, byte[] data, bool zeros)
    {
        long offset = (_universe.Windows[window].First * 512) + at;
        bool failed = true;
        try
        {
            if (zeros)
            {
                device.WriteZeroes(offset, data.Length);
            }
            else
            {
                device.Write(offset, data, _random.Next(3) == 0 ? WriteDurability.ForceUnitAccess
                    : WriteDurability.Normal);
            }

            failed = false;
        }
        catch (PCacheFullException)
        {
            _full = true; // a forged log may leave no room, honestly
        }
        catch (PCacheDamagedDataException) when (_damaged)
        {
            // A part of a sector whose rest is damaged.
        }

        _oracle.Write(window, at, data, failed);
    }

    private string? Rest()
    {
        for (int i = 0; i < StepLimit; i++)
        {
            if (device.RunMaintenanceStep() != TimeSpan.Zero)
            {
                return null;
            }
        }

        return "maintenance never comes to rest";
    }

    private string? Drain()
    {
        try
        {
            device.Drain();
        }
        catch (PCacheException) when (_damaged || _full)
        {
            return null; // damaged data has to be logged anew, for which there may be no room
        }

        return device.GetStatus().IsDegraded ? null : _oracle.CompareBacking(image.Base.Backing);
    }

    private string? CheckAfterwards(PmemRegion region)
    {
        ModelImage after = ModelReader.Read(image.Mutant, image.Base.Backing.Length, image.Base.Binding);
        if (after.Verdict != ModelVerdict.Sound || after.LostKeys > model.LostKeys)
        {
            return $"after a close the model says {after.Verdict} ({after.Reason}), {after.LostKeys} lost";
        }

        CheckReport report = CacheImage.Check(region,
            new CheckOptions { BackingLengthBytes = image.Base.Backing.Length });
        if (!report.IsSound && model.LostKeys == 0 && !_damaged)
        {
            return $"after a close the check says {string.Join(" / ", report.Findings.Take(3))}";
        }

        using PCacheDevice again = PCacheDevice.Open(region, image.Base.Backing,
            image.Base.Options with { ReadOnly = true });
        return _oracle.Compare(again, _damaged) is string wrong ? $"opened again: {wrong}" : null;
    }
}
