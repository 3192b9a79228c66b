using System.Text;
using PCache.Core.Pmem;

namespace PCache.Core.Layout;

/// <summary>
/// The extension block: UUID, label, the backing that the cache is bound to, and what that held at the last orderly
/// close. Keeps true: a block is written whole, over the replica that isn't the latest; a change is written to both
/// replicas, so that falling back to the older one never brings an old binding or fingerprint back; a new binding has
/// no fingerprint. An image that Linux formatted has no block.
/// </summary>
internal static partial class ExtensionBlocks
{
    /// <summary>Most bytes of a label in UTF-8.</summary>
    public const int MaxLabelBytes = 64;

    /// <summary>
    /// In <see cref="ExtensionBlock.Flags"/>: the bound backing could grow when it was bound, so its length is a
    /// least length.
    /// </summary>
    public const uint ResizableBackingFlag = 1;

    /// <summary>What findings and exceptions call it.</summary>
    public const string StructureName = "extension block";

    /// <summary>
    /// Version 1 is the same without fingerprint. What a later version adds is kept, except for a fingerprint of a
    /// kind that isn't known here.
    /// </summary>
    private const uint FormatVersion = 2;

    private const uint OldestVersion = 1;

    /// <summary>A new block without binding.</summary>
    /// <exception cref="ArgumentException">The label is too long or has a NUL.</exception>
    public static ExtensionBlock Create(Guid cacheId, string? label)
    {
        ExtensionBlock block = new()
        {
            Magic = MediaConstants.ExtensionMagic,
            FormatVersion = FormatVersion,
            CacheId = Bytes16.FromGuid(cacheId),
        };
        EncodeLabel(label, ref block.Label);
        return block;
    }

    /// <summary>
    /// Reads the block; null where there is no valid one. The state is right for the next write in either case.
    /// </summary>
    public static ReplicaOutcome Read(PmemRegion region, out ExtensionBlock? block, out ReplicaState state)
    {
        ReplicaOutcome outcome = Replicas.Read(
            region, MediaConstants.ExtensionOffset, MediaConstants.ExtensionStride, out ExtensionBlock latest, out _,
            out state);
        bool valid = outcome is ReplicaOutcome.Both or ReplicaOutcome.One
            && latest.Magic == MediaConstants.ExtensionMagic
            && latest.FormatVersion >= OldestVersion;

        // Bytes of other software whose first word happens to be their checksum keep their sequence in the state: our
        // next write outranks them.
        block = valid ? latest : null;
        return outcome;
    }

    /// <summary>Durably writes the block once, over the replica that isn't the latest.</summary>
    public static void Write(PmemRegion region, ref ExtensionBlock block, ref ReplicaState state) =>
        Replicas.Write(region, MediaConstants.ExtensionOffset, MediaConstants.ExtensionStride, ref block, ref state);

    /// <summary>Durably binds the cache to a backing; adds a block, with a new UUID, where there is none.</summary>
    /// <param name="region">The cache device.</param>
    /// <param name="media">Its state, which is brought up to date.</param>
    /// <param name="lengthBytes">Length of the backing (its least length, if it can grow).</param>
    /// <param name="identity">The caller's identity of it, or empty.</param>
    /// <param name="resizable">Whether it can grow.</param>
    public static void Bind(PmemRegion region, MediaState media, long lengthBytes, Guid identity, bool resizable)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(lengthBytes);
        ExtensionBlock block = media.Extension ?? Create(Guid.NewGuid(), null);
        block.BackingLength = (ulong)lengthBytes;
        block.BackingIdentity = Bytes16.FromGuid(identity);
        block.Flags = resizable ? block.Flags | ResizableBackingFlag : block.Flags & ~ResizableBackingFlag;
        block.Fingerprint = default;
        WriteTwice(region, media, block);
    }

    /// <summary>
    /// Durably raises the least length of a bound backing that can grow. It is durable on the backing already.
    /// </summary>
    public static void RaiseLength(PmemRegion region, MediaState media, long lengthBytes)
    {
        if (media.Extension is { BackingLength: > 0 } block && (block.Flags & ResizableBackingFlag) != 0
            && (long)block.BackingLength < lengthBytes)
        {
            block.BackingLength = (ulong)lengthBytes;
            WriteTwice(region, media, block);
        }
    }

    /// <summary>Durably sets the label; adds a block, with a new UUID, where there is none.</summary>
    /// <exception cref="ArgumentException">The label is too long or has a NUL.</exception>
    public static void SetLabel(PmemRegion region, MediaState media, string? label)
    {
        ExtensionBlock block = media.Extension ?? Create(Guid.NewGuid(), null);
        EncodeLabel(label, ref block.Label);
        WriteTwice(region, media, block);
    }

    /// <summary>Durably adds a block, with a new UUID and no binding, to an image that has none.</summary>
    public static void Ensure(PmemRegion region, MediaState media)
    {
        if (media.Extension is null)
        {
            WriteTwice(region, media, Create(Guid.NewGuid(), null));
        }
    }

    /// <summary>The label as text; bytes that aren't UTF-8 come out as replacement characters.</summary>
    public static string GetLabel(in ExtensionBlock block)
    {
        ReadOnlySpan<byte> bytes = block.Label;
        int end = bytes.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? bytes : bytes[..end]);
    }

    private static void WriteTwice(PmemRegion region, MediaState media, ExtensionBlock block)
    {
        WriteOnce(region, media, block);
        WriteOnce(region, media, media.Extension!.Value);
    }

    private static void WriteOnce(PmemRegion region, MediaState media, ExtensionBlock block)
    {
        ReplicaState state = media.ExtensionReplicas;
        if (block.Fingerprint.Sequence == state.Sequence && block.Fingerprint.Kind != 0)
        {
            block.Fingerprint.Sequence++; // as the block's own
        }
        else
        {
            block.Fingerprint = default; // one that doesn't count mustn't fit by chance some time
        }

        Write(region, ref block, ref state);
        media.ExtensionReplicas = state;
        media.Extension = block;
    }

    private static void EncodeLabel(string? label, ref Bytes64 target)
    {
        target = default;
        if (string.IsNullOrEmpty(label))
        {
            return;
        }

        if (label.Contains('\0', StringComparison.Ordinal))
        {
            throw new ArgumentException("A label must not contain NUL.", nameof(label));
        }

        if (Encoding.UTF8.GetByteCount(label) > MaxLabelBytes)
        {
            throw new ArgumentException("A label has at most 64 bytes of UTF-8.", nameof(label));
        }

        Encoding.UTF8.GetBytes(label, target);
    }
}
