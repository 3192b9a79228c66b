using System.Buffers.Binary;
using System.Globalization;
using PCache.Core;
using PCache.Sqlite.Files;

namespace PCache.Sqlite.Recognition;

/// <summary>
/// Compares plain files with what a record knows of them. Keeps true: changes nothing; says in words what differs, in
/// SQLite's own terms where it is its header.
/// </summary>
internal static class Comparison
{
    private const int ChangeCounterOffset = 24;
    private const int ValidForOffset = 92;
    private const int WalSaltOffset = 16;

    /// <summary>What is different in lengths, names and heads; null: nothing.</summary>
    public static string? OfContent(IReadOnlyList<FileImage> images, IFileStore store)
    {
        for (int i = 0; i < FileSlots.Count; i++)
        {
            if (OfContent(images[i], FileImage.Of(store, (FileSlot)i), (FileSlot)i) is { } difference)
            {
                return difference;
            }
        }

        return null;
    }

    /// <summary>Throws where the plain files aren't what the record knows.</summary>
    /// <param name="record">The record.</param>
    /// <param name="store">The files.</param>
    /// <param name="path">Path of the database.</param>
    /// <param name="cachePath">Path of the cache file.</param>
    /// <param name="mayBeCopied">Whether database and cache may have been copied together: other files, but the same
    /// to the last change.</param>
    /// <exception cref="PCacheBackingMismatchException">They aren't.</exception>
    public static void Require(FilesRecord record, IFileStore store, string path, string cachePath, bool mayBeCopied)
    {
        FileStamp now = store.Exists(FileSlot.Main) ? store.Stamp(FileSlot.Main) : default;
        string? difference = OfContent(record.Images, store);
        BackingMismatchReason reason = BackingMismatchReason.Content;
        if (difference is null)
        {
            string? changed = OfTimes(record.Images, store, out bool timesKnown);
            bool isSame = record.Database.Inode == 0 || now.Inode == 0
                || (record.Database.Inode == now.Inode
                    && (record.Database.BornNanoseconds == now.BornNanoseconds || record.Database.BornNanoseconds == 0
                        || now.BornNanoseconds == 0));
            if (!isSame && !(mayBeCopied && timesKnown && changed is null))
            {
                reason = BackingMismatchReason.Identity;
                changed = string.Create(CultureInfo.InvariantCulture,
                    $"it is another file (number {now.Inode}, the cache is that of number {record.Database.Inode})");
                if (record.Path.Length > 0 && record.Path != path)
                {
                    changed += $", '{Safe(record.Path)}'";
                }
            }

            difference = changed;
        }

        if (difference is not null)
        {
            throw new PCacheBackingMismatchException(
                reason,
                $"The plain files of '{Safe(path)}' aren't what its cache '{Safe(cachePath)}' has left there: "
                + $"{difference}. They were changed, restored or replaced without the cache, "
                + "which has commits that they don't have; together they would be a mixture. Put the files back that "
                + "belong to the cache; or move the cache file away, and lose those "
                + "commits; or write them over these files all the same ('pcache sqlite drain --any-backing', "
                + "PCacheOptions.RebindBacking), and check the database afterwards.");
        }
    }

    private static string? OfContent(FileImage known, FileImage found, FileSlot slot)
    {
        string name = slot == FileSlot.Main ? "the database" : "'" + FileSlots.Suffix(slot) + "'";
        if (!found.MayExist)
        {
            return known.MayBeMissing ? null : $"{name} is gone";
        }

        if (!known.MayExist)
        {
            return $"{name} is there, and wasn't";
        }

        if (found.Longest < known.Shortest || found.Longest > known.Longest)
        {
            string length =
                known.Shortest == known.Longest ? $"{known.Longest}" : $"{known.Shortest} to {known.Longest}";
            return string.Create(CultureInfo.InvariantCulture, $"{name} has {found.Longest} bytes, it had {length}");
        }

        byte[] head = found.Heads[0];
        return known.AnyHead || known.Heads.Exists(one => one.AsSpan().SequenceEqual(head))
            ? null
            : $"{name} has another header{Detail(known.Heads, head, slot)}";
    }

    private static string Detail(List<byte[]> known, byte[] head, FileSlot slot) => slot switch
    {
        FileSlot.Main =>
            $" (change counter {Join([head], ChangeCounterOffset)}, it had {Join(known, ChangeCounterOffset)}; "
            + $"version-valid-for {Join([head], ValidForOffset)}, it had {Join(known, ValidForOffset)})",
        FileSlot.Wal => $" (salt {Join([head], WalSaltOffset)}, it had {Join(known, WalSaltOffset)})",
        _ => "",
    };

    private static string Join(List<byte[]> heads, int offset) =>
        string.Join(
            " or ", heads.Select(
                head => BinaryPrimitives.ReadUInt32BigEndian(
                    head.AsSpan(offset)).ToString(CultureInfo.InvariantCulture)).Distinct());

    /// <summary>Which file changed at a time that the record doesn't know; null: none.</summary>
    public static string? OfTimes(IReadOnlyList<FileImage> images, IFileStore store, out bool known)
    {
        known = true;
        for (int i = 0; i < FileSlots.Count; i++)
        {
            FileImage image = images[i];
            if (!store.Exists((FileSlot)i))
            {
                continue;
            }

            long time = store.Stamp((FileSlot)i).ModifiedNanoseconds;
            if (image.AnyTime || time == 0)
            {
                known = false;
            }
            else if (!image.Times.Contains(time))
            {
                string name = i == 0 ? "the database" : "'" + FileSlots.Suffix((FileSlot)i) + "'";
                DateTime at = DateTime.UnixEpoch.AddTicks(time / TimeSpan.NanosecondsPerTick);
                return string.Create(
                    CultureInfo.InvariantCulture, $"{name} was last changed at {at:O}, not by this cache");
            }
        }

        return null;
    }

    private static string Safe(string text) => PCache.Core.Files.SafeText.Of(text);
}
