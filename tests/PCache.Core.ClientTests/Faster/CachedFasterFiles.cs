using System.Buffers.Binary;
using System.Text;
using FASTER.core;

namespace PCache.Core.ClientTests.Faster;

/// <summary>
/// The files of FASTER's checkpoints and commits, on a range of a block device: a table of names, and as many places of
/// one size.
/// </summary>
/// <remarks>
/// Keeps true:
/// * An entry of the table is one sector of 512 bytes, which no crash tears: number and name, or zeros. It is written
/// with FUA, so a file is there from when
///   <see cref="Get"/> has returned until <see cref="Delete"/> has.
/// * A place is all zeros before a name points to it, so what a crash leaves of a file is never content of an older
/// one.
/// * Files are listed newest first, as FASTER expects.
/// </remarks>
public sealed class CachedFasterFiles : INamedDeviceFactory
{
    private const int EntryBytes = 512;
    private const int NameOffset = 12;

    // FASTER expects what its own factory lists: the files of segments, which have their numbers at the end.
    private const string OnlySegment = ".0";

    private readonly IBlockDevice _device;
    private readonly long _start;
    private readonly long _fileBytes;
    private readonly (long Number, string Name)?[] _table;
    private readonly Lock _gate = new();
    private string _prefix = "";

    /// <summary>Opens the table; a range of zeros is an empty one.</summary>
    /// <param name="device">What it lies on; stays open.</param>
    /// <param name="start">First byte of the range, a multiple of 512.</param>
    /// <param name="fileCount">How many files there can be at once.</param>
    /// <param name="fileBytes">The most that one file holds, in bytes, a multiple of 512. The range's length is
    /// <c>fileCount * (512 + fileBytes)</c>.</param>
    public CachedFasterFiles(IBlockDevice device, long start, int fileCount, long fileBytes)
    {
        _device = device;
        _start = start;
        _fileBytes = fileBytes;
        _table = new (long, string)?[fileCount];
        byte[] entry = new byte[EntryBytes];
        for (int i = 0; i < fileCount; i++)
        {
            Array.Clear(entry);
            _ = device.Read(start + ((long)i * EntryBytes), entry);
            int length = BinaryPrimitives.ReadInt32LittleEndian(entry);
            if (length > 0)
            {
                _table[i] = (BinaryPrimitives.ReadInt64LittleEndian(entry.AsSpan(4)),
                    Encoding.UTF8.GetString(entry, NameOffset, length));
            }
        }
    }

    /// <summary>Number of files.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _table.Count(entry => entry is not null);
            }
        }
    }

    /// <summary>
    /// Why the last operation on a file that failed did; null if none has. To be looked at after each checkpoint:
    /// FASTER doesn't always notice.
    /// </summary>
    public Exception? LastError { get; private set; }

    /// <inheritdoc/>
    public void Initialize(string baseName) => _prefix = string.IsNullOrEmpty(baseName) ? "" : baseName + "/";

    /// <inheritdoc/>
    public IDevice Get(FileDescriptor fileInfo)
    {
        string name = NameOf(fileInfo);
        lock (_gate)
        {
            int at = Array.FindIndex(_table, entry => entry?.Name == name);
            if (at < 0)
            {
                at = Array.IndexOf(_table, null);
                if (at < 0)
                {
                    throw new IOException(
                        $"There is no room for a file '{name}': all {_table.Length} places are in use.");
                }

                _device.WriteZeroes(PlaceOf(at), _fileBytes);
                WriteEntry(at, (1 + _table.Max(entry => entry?.Number ?? 0), name));
            }

            return new CachedFasterDevice(_device, name, PlaceOf(at), _fileBytes, error => LastError = error);
        }
    }

    /// <inheritdoc/>
    public void Delete(FileDescriptor fileInfo)
    {
        string name = NameOf(fileInfo);
        lock (_gate)
        {
            for (int i = 0; i < _table.Length; i++)
            {
                if (_table[i]?.Name is string found
                    && (found == name || found.StartsWith(name.TrimEnd('/') + "/", StringComparison.Ordinal)))
                {
                    WriteEntry(i, null);
                    _device.Discard(PlaceOf(i), _fileBytes);
                }
            }
        }
    }

    /// <inheritdoc/>
    public IEnumerable<FileDescriptor> ListContents(string path)
    {
        string folder = (_prefix + path).TrimEnd('/') + "/";
        lock (_gate)
        {
            return
            [
                .. _table.Where(entry => entry is { } file && file.Name.StartsWith(folder, StringComparison.Ordinal))
                    .OrderByDescending(entry => entry!.Value.Number)
                    .Select(entry => entry!.Value.Name[folder.Length..].Split('/', 2))
                    .Select(parts => parts.Length == 1 ? new FileDescriptor("", parts[0] + OnlySegment)
                        : new FileDescriptor(parts[0], ""))
                    .Distinct(),
            ];
        }
    }

    private long PlaceOf(int index) => _start + ((long)_table.Length * EntryBytes) + (index * _fileBytes);

    private string NameOf(FileDescriptor file) =>
        _prefix + (string.IsNullOrEmpty(file.fileName) ? file.directoryName : string.IsNullOrEmpty(file.directoryName)
            ? file.fileName : $"{file.directoryName}/{file.fileName}");

    private void WriteEntry(int index, (long Number, string Name)? file)
    {
        byte[] entry = new byte[EntryBytes];
        if (file is { } present)
        {
            BinaryPrimitives.WriteInt32LittleEndian(entry,
                Encoding.UTF8.GetBytes(present.Name, entry.AsSpan(NameOffset)));
            BinaryPrimitives.WriteInt64LittleEndian(entry.AsSpan(4), present.Number);
        }

        _device.Write(_start + ((long)index * EntryBytes), entry, WriteDurability.ForceUnitAccess);
        _table[index] = file;
    }
}
