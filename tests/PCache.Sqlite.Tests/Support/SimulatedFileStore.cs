using PCache.Sqlite.Files;
using PCache.Testing;

namespace PCache.Sqlite.Tests.Support;

/// <summary>
/// Plain files that lose power. Keeps true: content and lengths are those of simulated disks, one for each creation of
/// a file; a creation or deletion may be lost until names are synchronised, each file's independently. A file's time of
/// change is durable with its synchronisation; until then a cut leaves any one since, whatever it leaves of the
/// content.
/// </summary>
internal sealed class SimulatedFileStore : IFileStore
{
    private readonly Lock _gate = new();
    private readonly List<PlainFile?>[] _names; // by file: the durable state, then each one since
    private long _now; // nanoseconds, one for each change

    public SimulatedFileStore()
    {
        _names = [[null], [null], [null]];
    }

    private SimulatedFileStore(IEnumerable<PlainFile?> files, long now)
    {
        _names = [.. files.Select(file => new List<PlainFile?> { file })];
        _now = now;
    }

    /// <summary>Called before each change, with what it is.</summary>
    public Action? BeforeChange { get; set; }

    /// <summary>Number of calls that made something durable.</summary>
    public int Syncs { get; private set; }

    public SimulatedFileStore AfterPowerCut(Random random)
    {
        lock (_gate)
        {
            return new SimulatedFileStore(_names.Select(versions =>
            {
                int version = random.Next(3) switch
                {
                    0 => 0,
                    1 => versions.Count - 1,
                    _ =>
                    random.Next(versions.Count)
                };
                return versions[version]?.AfterPowerCut(random);
            }).ToList(), _now);
        }
    }

    /// <summary>Writes the files into a folder.</summary>
    public void SaveTo(string path)
    {
        for (int i = 0; i < FileSlots.Count; i++)
        {
            if (Current((FileSlot)i) is { } disk)
            {
                File.WriteAllBytes(path + FileSlots.Suffix((FileSlot)i), disk.Snapshot());
            }
        }
    }

    public bool Exists(FileSlot slot) => Current(slot) is not null;

    public long GetLength(FileSlot slot) => Current(slot)?.Length ?? 0;

    public int Read(FileSlot slot, long offset, Span<byte> buffer) => Current(slot)?.Read(offset, buffer) ?? 0;

    public void Write(FileSlot slot, long offset, ReadOnlySpan<byte> buffer)
    {
        BeforeChange?.Invoke();
        Changed(slot).Write(offset, buffer);
    }

    public void Create(FileSlot slot)
    {
        BeforeChange?.Invoke();
        lock (_gate)
        {
            if (_names[(int)slot][^1] is null)
            {
                _names[(int)slot].Add(new PlainFile(
                    new SimulatedDisk(0, new SimulatedDiskOptions { CanResize = true }), ++_now));
            }
        }
    }

    public void Delete(FileSlot slot)
    {
        BeforeChange?.Invoke();
        lock (_gate)
        {
            _names[(int)slot].Add(null);
        }
    }

    public void SetLength(FileSlot slot, long lengthBytes)
    {
        BeforeChange?.Invoke();
        Changed(slot).SetLength(lengthBytes);
    }

    public void Sync(FileSlot slot)
    {
        BeforeChange?.Invoke();
        Syncs++;
        PlainFile file = Get(slot);
        file.Disk.Flush();
        lock (_gate)
        {
            file.Times.RemoveRange(0, file.Times.Count - 1);
        }
    }

    public void SyncNames()
    {
        BeforeChange?.Invoke();
        Syncs++;
        lock (_gate)
        {
            foreach (List<PlainFile?> versions in _names)
            {
                versions.RemoveRange(0, versions.Count - 1);
            }
        }
    }

    public FileStamp Stamp(FileSlot slot)
    {
        lock (_gate)
        {
            return new FileStamp(0, 0, Get(slot).Times[^1]);
        }
    }

    public void Dispose()
    {
    }

    private SimulatedDisk? Current(FileSlot slot) => CurrentFile(slot)?.Disk;

    private PlainFile? CurrentFile(FileSlot slot)
    {
        lock (_gate)
        {
            return _names[(int)slot][^1];
        }
    }

    private PlainFile Get(FileSlot slot) =>
        CurrentFile(slot) ?? throw new FileNotFoundException($"{slot} doesn't exist.");

    private SimulatedDisk Changed(FileSlot slot)
    {
        PlainFile file = Get(slot);
        lock (_gate)
        {
            file.Times.Add(++_now);
        }

        return file.Disk;
    }

    private sealed class PlainFile(SimulatedDisk disk, long time)
    {
        public SimulatedDisk Disk { get; } = disk;

        /// <summary>The durable one, then each since.</summary>
        public List<long> Times { get; } = [time];

        public PlainFile AfterPowerCut(Random random) =>
            new(Disk.AfterPowerCut(random), Times[random.Next(Times.Count)]);
    }
}
