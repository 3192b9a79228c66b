using PCache.Core;
using PCache.Core.Inspection;
using PCache.Core.Primitives;

namespace PCache.Lab.Hostile;

/// <summary>
/// One image: opened for reading, inspected, opened for writing and worked with. Keeps true: everything is held against
/// the model's reading of the same bytes; what may change nothing is held against the bytes before; what still means
/// the same is never taken for an image of another backing.
/// </summary>
internal sealed unsafe class HostileTrial(HostileImage image, HostileRun run)
{
    private readonly HostileBase _base = image.Base;

    private long ReadableBytes => (64L << 20) + (8 * image.LengthBytes);

    /// <summary>
    /// Half of the images that mean the same are opened for writing with the comparison of the backing.
    /// </summary>
    private bool ComparesForWriting => image.KeepsMeaning && image.Seed % 2 == 0;

    /// <summary>Far more than any image of that length has been seen to need.</summary>
    private long AllocatableBytes => (16L << 20) + (8 * Math.Min(image.LengthBytes, HostileBase.MostCompactBytes));

    /// <summary>What is wrong, or null.</summary>
    public string? Run()
    {
        ModelImage model = ModelReader.Read(image.Mutant, _base.Backing.Length, _base.Binding);
        uint before = Sum();
        SetReadOnly(true);
        long allocated = GC.GetAllocatedBytesForCurrentThread();
        string? wrong = Inspect(model) ?? OpenForReading(model, _base.Options with { ReadOnly = true });
        allocated = GC.GetAllocatedBytesForCurrentThread() - allocated;
        run.NoteAllocated(allocated);
        if (wrong is null && allocated > AllocatableBytes)
        {
            wrong = $"looking at it allocated {allocated} bytes";
        }

        wrong ??= _base.IsCompact || image.Seed % 8 == 0 ? Rescue(model) : null;

        if (wrong is null && model.Verdict == ModelVerdict.WrongBacking)
        {
            ModelImage consented = ModelReader.Read(image.Mutant, _base.Backing.Length,
                _base.Binding with { Consent = true });
            wrong = OpenForReading(consented, _base.Options with { ReadOnly = true, RebindBacking = true });
        }

        wrong ??= model.Verdict == ModelVerdict.Sound ? OpenComparing(model) : null;
        SetReadOnly(false);
        wrong ??= Sum() != before || _base.Backing.Changed ? "reading changed the medium" : null;
        wrong ??= image.KeepsMeaning ? CheckUnharmed(model) : null;
        return wrong ?? OpenForWriting(model);
    }

    private static string NameOf(Exception e) => e.GetType().Name;

    private static string? Expected(ModelVerdict verdict) => verdict switch
    {
        ModelVerdict.Damaged => nameof(PCacheCorruptionException),
        ModelVerdict.NotFormatted => nameof(PCacheNotFormattedException),
        ModelVerdict.WrongBacking => nameof(PCacheBackingMismatchException),
        _ => null,
    };

    private GuardedRegion Region(bool readOnly) => new(image.Begin, image.LengthBytes, readOnly, ReadableBytes);

    private uint Sum() => _base.IsCompact ? Crc32C.HashToUInt32(image.Mutant) : 0;

    /// <summary>An image that is too large to be summed can't be stored to at all while that is forbidden.</summary>
    private void SetReadOnly(bool readOnly)
    {
        if (!_base.IsCompact)
        {
            _base.Memory.Allow(Math.Min(image.LengthBytes, _base.Memory.LengthBytes), readOnly);
        }
    }

    private string? CheckUnharmed(ModelImage model)
    {
        run.CountUnharmed();
        ImageOracle original = ImageOracle.Of(_base.Universe, _base.Original, image.Mutant, _base.Backing);
        return model.Verdict != ModelVerdict.Sound ? $"the model refuses what means the same: {model.Reason}"
            : original.DifferenceTo(ImageOracle.Of(_base.Universe, model, image.Mutant, _base.Backing));
    }

    private string? OpenForReading(ModelImage model, PCacheOptions options)
    {
        PCacheDevice device;
        try
        {
            device = PCacheDevice.Open(Region(readOnly: true), _base.Backing, options);
        }
        catch (PCacheException e)
        {
            run.CountOutcome(NameOf(e));
            return NameOf(e) == Expected(model.Verdict) ? null
                : $"the model says {model.Verdict} ({model.Reason}), the engine says {e}";
        }

        using (device)
        {
            run.CountOutcome(HostileRun.OpenedOutcome);
            if (model.Verdict != ModelVerdict.Sound)
            {
                return $"the model says {model.Verdict} ({model.Reason}), the engine opens it";
            }

            return CompareReport(model, device.Recovery)
                ?? ImageOracle.Of(SectorUniverse.Of(model, _base.Backing.Length), model, image.Mutant, _base.Backing)
                    .Compare(device);
        }
    }

    /// <summary>
    /// A sound image whose keys or fingerprint a mutation changed may be refused for the content that it claims the
    /// backing to have; for nothing else, and not if it means the same as ever.
    /// </summary>
    private string? OpenComparing(ModelImage model)
    {
        PCacheOptions options = _base.Options with { ReadOnly = true, CompareBackingAfterCrash = true };
        try
        {
            using PCacheDevice device = PCacheDevice.Open(Region(readOnly: true), _base.Backing, options);
            run.CountCompared(device.Recovery.BackingCheck);
            return CompareReport(model, device.Recovery);
        }
        catch (PCacheBackingMismatchException e)
        {
            bool inside = e.ChangedBlocks.Count > 0
                && e.ChangedBlocks.All(r => r.Offset >= 0 && r.LengthBytes > 0 && r.End <= _base.Backing.Length);
            return e.Reason != BackingMismatchReason.Content || !inside || image.KeepsMeaning
                ? $"a sound image{(image.KeepsMeaning ? " that means the same" : "")} is taken for another "
                    + $"backing's: {e}"
                : null;
        }
    }

    private static string? CompareReport(ModelImage model, RecoveryReport report)
    {
        LogEnd end = model.End switch
        {
            ModelEnd.Zeros => LogEnd.Clean,
            ModelEnd.Leftover => LogEnd.Leftover,
            _ => LogEnd.Torn,
        };
        return (report.Ksets, report.LiveKeys, report.DeadKeys, report.LostKeys)
            == (model.Ksets.Count, model.LiveKeys.Count, model.DeadKeys, model.LostKeys)
            && (report.KeyHead.Segment, report.KeyHead.Offset) == model.Head && report.LogEnd == end
            ? null
            : $"the model found {model.Ksets.Count} ksets, {model.LiveKeys.Count} live, {model.DeadKeys} dead, "
                + $"{model.LostKeys} lost keys, end {model.End} at {model.Head}; the engine: {report}";
    }

    private string? Inspect(ModelImage model)
    {
        GuardedRegion region = Region(readOnly: true);
        // a check needn't know the backing
        bool known = image.Seed % 5 != 0 || model.Verdict != ModelVerdict.WrongBacking;
        CheckReport report = CacheImage.Check(region,
            new CheckOptions
            {
                BackingLengthBytes = image.Seed % 5 != 0 ? _base.Backing.Length
            : null,
                CheckLinux = image.Seed % 2 == 0
            });
        bool sound = model.Verdict == ModelVerdict.Sound && model.LostKeys == 0
            && model.LiveKeys.TrueForAll(k => k.Fits);
        if (known && report.IsSound != sound && (sound || model.Verdict != ModelVerdict.WrongBacking))
        {
            return $"the model says {model.Verdict} ({model.Reason}), {model.LostKeys} lost; the check says "
                + $"{(report.IsSound ? "sound" : string.Join(" / ", report.Findings.Take(3)))}";
        }

        if (report.IsAcceptedByLinux == true && model.SegmentBytes < 16 << 20)
        {
            return "the check says that Linux takes a compact image";
        }

        try
        {
            CacheImageStatus status = CacheImage.ReadStatus(region);
            int ksets = CacheImage.ReadLog(region, withKeys: true).Ksets.Count();
            return model.Verdict != ModelVerdict.Sound
                || (status.Ksets, status.LiveKeys, status.LostKeys, ksets)
                == (model.Ksets.Count, model.LiveKeys.Count, model.LostKeys, model.Ksets.Count)
                ? null
                : $"the status tells {status.Ksets} ksets, the dump {ksets}, the model {model.Ksets.Count}";
        }
        catch (PCacheException e) when (e is PCacheCorruptionException or PCacheNotFormattedException)
        {
            return model.Verdict is ModelVerdict.Damaged or ModelVerdict.NotFormatted ? null
                : $"no status of a sound image: {e}";
        }
    }

    /// <summary>A rescue ends, whatever the image holds, and what it offers lies on the device.</summary>
    private string? Rescue(ModelImage model)
    {
        long allocated = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            RescueImage rescue = CacheRescue.Open(Region(readOnly: true));
            allocated = GC.GetAllocatedBytesForCurrentThread() - allocated;
            if (allocated > (16L << 20) + (8 * image.LengthBytes))
            {
                return $"the rescue allocated {allocated} bytes";
            }

            byte[] bytes = new byte[4 << 20];
            long end = 0;
            foreach (RescueExtent extent in rescue.Extents)
            {
                if (extent.Offset < end || extent.LengthBytes <= 0
                    || (extent.State != RescueState.Damaged
                    && !rescue.TryReadPayload(in extent, 0, bytes.AsSpan(0, (int)extent.LengthBytes))))
                {
                    return $"the rescue offers {extent}, which overlaps another one or can't be read";
                }

                end = extent.End;
            }

            return null;
        }
        catch (PCacheNotFormattedException e)
        {
            return model.Verdict is ModelVerdict.Damaged or ModelVerdict.NotFormatted ? null
                : $"nothing can be rescued of a sound image: {e}";
        }
    }

    /// <summary>By the log the device is longer than a backing of fixed length.</summary>
    private bool CannotGrow(ModelImage model) => model.LengthInLog > _base.Backing.Length && !_base.Backing.CanResize;

    private string? OpenForWriting(ModelImage model)
    {
        GuardedRegion region = Region(readOnly: false);
        bool consent = image.Seed % 3 == 0;
        uint before = Sum();
        var clock = new VirtualClock();
        PCacheDevice device;
        try
        {
            device = PCacheDevice.Open(region, _base.Backing,
                _base.Options with
                {
                    AcceptLostWrites = consent,
                    CompareBackingAfterCrash = ComparesForWriting,
                    TimeProvider = clock
                });
        }
        catch (PCacheException e)
        {
            string? expected = model.Verdict == ModelVerdict.Sound && model.LostKeys > 0 && !consent
                ? nameof(PCacheLostWritesException)
                : model.Verdict == ModelVerdict.Sound && CannotGrow(model) ? nameof(PCacheBackingMismatchException)
                : Expected(model.Verdict);
            return NameOf(e) != expected ? $"the model says {model.Verdict} ({model.Reason}), a writable open says {e}"
                : region.Changed || _base.Backing.Changed || Sum() != before ? "an open that failed changed the medium"
                : null;
        }

        try
        {
            if (model.Verdict != ModelVerdict.Sound || (model.LostKeys > 0 && !consent) || CannotGrow(model))
            {
                return $"the model says {model.Verdict} ({model.Reason}), {model.LostKeys} lost; a writable open "
                    + "takes it";
            }

            run.CountSession();
            return new HostileSession(image, device, model).Run(region, clock);
        }
        finally
        {
            device.Dispose();
            region.Undo();
        }
    }
}
