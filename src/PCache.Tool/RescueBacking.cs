// Keeps true: a backing that is known to be another one than the cache's is told before anything is written to it.
// Blocks that a rescue may itself have written are not held against it, so that a rescue can be done again.
using PCache.Core;
using PCache.Core.Inspection;
using PCache.Core.Layout;
using PCache.Core.Opening;
using PCache.Core.Primitives;

namespace PCache.Tool;

/// <summary>Whether a backing is the one of a damaged cache.</summary>
internal static class RescueBacking
{
    /// <summary>
    /// What speaks against a backing, as the end of a sentence that begins with the cache; null: nothing that is
    /// known. Reads the backing only.
    /// </summary>
    public static string? FindMismatch(RescueImage image, IBlockDevice backing, CancellationToken cancellationToken)
    {
        if (image.Extension is not { BackingLength: > 0 } block)
        {
            return null;
        }

        bool mayBeLonger = (block.Flags & ExtensionBlocks.ResizableBackingFlag) != 0;
        ulong length = (ulong)backing.Length;
        if (mayBeLonger ? length < block.BackingLength : length != block.BackingLength)
        {
            return Invariant($"is bound to a backing of "
                + $"{(mayBeLonger ? "at least " : string.Empty)}{block.BackingLength} bytes, this one has {length}");
        }

        // Whether the cache has been used since the fingerprint was made can't be told of a damaged one: the
        // fingerprint is taken to count.
        if (!ExtensionBlocks.TryGetFingerprint(
            in block, image.ExtensionReplicas, block.Fingerprint.State, out FingerprintRecord record))
        {
            return null;
        }

        string taken = Invariant($"{ExtensionBlocks.TakenAt(in record):u}");
        if (record.BackingLength != length)
        {
            return Invariant($"knows a backing of {record.BackingLength} bytes from its last close at {taken}, this "
                + $"one has {length}, so it was changed meanwhile or is another one");
        }

        BackingFingerprint now = BackingFingerprint.Of(backing, image.CacheId, in record);
        now.Read(cancellationToken);
        IReadOnlyList<DeviceRange> changed = now.Differences(
            in record, range => IsDirtySomewhere(image.Extents, range));
        return changed.Count == 0
            ? null
            : Invariant(
                $"doesn't know this backing: {changed.Count} blocks differ from what they held at its last close at "
                + $"{taken}, the first at byte {changed[0].Offset}, so it was changed meanwhile or is another one");
    }

    private static string Invariant(InvariantText text) => text.Take();

    /// <summary>
    /// Whether a rescue may write into a range: the first extent that ends behind its beginning, or a later one
    /// inside it, is dirty.
    /// </summary>
    private static bool IsDirtySomewhere(IReadOnlyList<RescueExtent> extents, DeviceRange range)
    {
        int low = 0;
        int high = extents.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (extents[middle].End <= range.Offset)
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }

        for (; low < extents.Count && extents[low].Offset < range.End; low++)
        {
            if (extents[low].IsDirty)
            {
                return true;
            }
        }

        return false;
    }
}
