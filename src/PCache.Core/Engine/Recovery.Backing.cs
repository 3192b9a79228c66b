using System.Globalization;
using PCache.Core.Files;
using PCache.Core.Layout;
using PCache.Core.Primitives;

namespace PCache.Core.Engine;

/// <summary>
/// Whether the backing is the right one. Keeps true: a backing is compared before anything is changed, with whatever is known of it: identity, length, and, where
/// the last close was an orderly one, some of its content. Only <see cref="PCacheOptions.RebindBacking"/> passes over a difference. A block that can't be read
/// is no difference; but a writable open wants to have read one.
/// </summary>
internal sealed partial class Recovery
{
    /// <summary>Places that write-back wrote last before this open.</summary>
    public IReadOnlyList<long> RecentPlaces { get; private set; } = [];

    private void CheckBinding()
    {
        if (Media.Extension is not { } block || _options.RebindBacking)
        {
            return;
        }

        Guid identity = block.BackingIdentity.ToGuid();
        if (identity != Guid.Empty && identity != _options.BackingIdentity && !RuleSwitch.IsBroken(BrokenRule.BackingIdentityIgnored)
            && !RuleSwitch.IsBroken(BrokenRule.ValidationBackingIdentity))
        {
            throw Mismatch(
                BackingMismatchReason.Identity,
                in block,
                $"is bound to the backing with identity {identity}, the options name {(_options.BackingIdentity == Guid.Empty ? "none" : _options.BackingIdentity)}");
        }

        if (block.BackingLength == 0 || RuleSwitch.IsBroken(BrokenRule.BackingLengthIgnored))
        {
            return;
        }

        // A backing that can grow is bound with its least length. One that is opened read-only can't, so it is judged by what it was when bound.
        bool mayBeLonger = _backing.CanResize || (block.Flags & ExtensionBlocks.ResizableBackingFlag) != 0;
        ulong length = (ulong)_backing.Length;
        if ((mayBeLonger ? length < block.BackingLength : length != block.BackingLength) && !RuleSwitch.IsBroken(BrokenRule.ValidationBoundLength))
        {
            throw Mismatch(
                BackingMismatchReason.Length,
                in block,
                $"is bound to a backing of {(mayBeLonger ? "at least " : string.Empty)}{block.BackingLength} bytes, this one has {length}",
                (long)block.BackingLength);
        }
    }

    /// <summary>Compares the backing with its fingerprint, where there is one that counts.</summary>
    private void CheckContent(CancellationToken cancellationToken)
    {
        if (Media.Extension is not { } block || block.Fingerprint.Kind == 0)
        {
            return;
        }

        if (!ExtensionBlocks.TryGetFingerprint(in block, Media.ExtensionReplicas, ExtensionBlocks.StateOf(Positions.KeyHead.Position, Media.DirtyTail, Media.Generations), out FingerprintRecord record))
        {
            Report = Report with { BackingCheck = BackingCheck.Stale };
            return;
        }

        Guid cacheId = block.CacheId.ToGuid();
        if (_options.BackingFingerprintBlocks == 0 || _options.RebindBacking || RuleSwitch.IsBroken(BrokenRule.FingerprintNotCompared))
        {
            Report = Report with { BackingCheck = BackingCheck.PassedOver };
            return;
        }

        DateTimeOffset taken = ExtensionBlocks.TakenAt(in record);
        if (record.BackingLength != (ulong)_backing.Length)
        {
            throw Mismatch(
                BackingMismatchReason.Length,
                in block,
                $"knows a backing of {record.BackingLength} bytes from its last close at {taken:u}, this one has {_backing.Length}, so it was changed meanwhile or is another one",
                (long)record.BackingLength,
                taken);
        }

        BackingFingerprint now = BackingFingerprint.Of(_backing, cacheId, in record);
        Read(now, cancellationToken);
        IReadOnlyList<DeviceRange> changed = now.Differences(in record);
        if (changed.Count > 0)
        {
            int compared = now.BlockCount - now.UnreadBlocks;
            throw Mismatch(
                BackingMismatchReason.Content,
                in block,
                $"doesn't know this backing: of {compared} blocks compared, {changed.Count} differ from what they held at its last close at {taken:u}, the first at byte {changed[0].Offset}, so it was changed meanwhile or is another one",
                (long)record.BackingLength,
                taken,
                compared,
                changed);
        }

        if (now.Failure is { } failure && now.UnreadBlocks == now.BlockCount && !_options.ReadOnly)
        {
            throw new PCacheException($"None of the backing's blocks that tell whether it is the right one can be read: {failure.Message} Nothing was changed. Set PCacheOptions.BackingFingerprintBlocks to 0 to open without comparing.", failure);
        }

        RecentPlaces = [.. now.RecentPlaces];
        Report = Report with { BackingCheck = now.UnreadBlocks > 0 ? BackingCheck.PartlyMatched : BackingCheck.Matched };
    }

    /// <summary>Reads on a thread of its own where the open can be cancelled: a backing that hangs doesn't keep it from that.</summary>
    private void Read(BackingFingerprint fingerprint, CancellationToken cancellationToken)
    {
        if (!cancellationToken.CanBeCanceled || _options.Maintenance == MaintenanceMode.Manual)
        {
            fingerprint.Read(cancellationToken);
            return;
        }

        Task reading = Task.Factory.StartNew(() => fingerprint.Read(cancellationToken), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        reading.WaitAsync(cancellationToken).GetAwaiter().GetResult();
    }

    private PCacheBackingMismatchException Mismatch(
        BackingMismatchReason reason,
        in ExtensionBlock block,
        FormattableString what,
        long? expectedLength = null,
        DateTimeOffset? lastKnown = null,
        int comparedBlocks = 0,
        IReadOnlyList<DeviceRange>? changed = null)
    {
        string label = ExtensionBlocks.GetLabel(in block);
        Guid cacheId = block.CacheId.ToGuid();
        Guid identity = block.BackingIdentity.ToGuid();
        string name = label.Length == 0 ? $"{cacheId}" : $"{cacheId} ('{SafeText.Of(label)}')";
        return new PCacheBackingMismatchException(
            reason,
            $"The cache {name} {what.ToString(CultureInfo.InvariantCulture)}. Open it with the right backing, or set PCacheOptions.RebindBacking to bind it to this one as it is.")
        {
            CacheId = cacheId == Guid.Empty ? null : cacheId,
            CacheLabel = label,
            ExpectedIdentity = identity == Guid.Empty ? null : identity,
            ActualIdentity = _options.BackingIdentity,
            ExpectedLength = expectedLength ?? (block.BackingLength == 0 ? null : (long)block.BackingLength),
            ActualLength = _backing.Length,
            LastKnown = lastKnown,
            ComparedBlocks = comparedBlocks,
            ChangedBlocks = changed ?? [],
        };
    }
}
