using System.Globalization;

namespace PCache.Lab.Hostile;

/// <summary>
/// Remembers which image is being looked at, for the cases in which no caller can be told any more. Keeps true: one
/// that takes longer than <see cref="Limit"/> ends the process with its seed on standard error; if the process dies (an
/// access to a guard page), the seed stands in a file in the folder for temporary files.
/// </summary>
internal sealed class SeedNote : IDisposable
{
    /// <summary>Longest time for one image; a thousand times what the slowest takes.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromMinutes(2);

    private readonly FileStream _file;
    private readonly string _path;
    private readonly Timer _timer;
    private readonly byte[] _text = new byte[16];
    private long _since;
    private int _seed;

    public SeedNote()
    {
        _path = Path.Combine(Path.GetTempPath(), $"pcache-hostile-{Environment.ProcessId}-{Guid.NewGuid():n}.seed");
        _file = new FileStream(_path, FileMode.CreateNew, FileAccess.Write, FileShare.Read, 1);
        _timer = new Timer(_ => Watch(), null, TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(5));
    }

    public void Begin(int seed)
    {
        Volatile.Write(ref _seed, seed);
        Volatile.Write(ref _since, Environment.TickCount64);
        _text.AsSpan().Fill((byte)' ');
        _text[^1] = (byte)'\n';
        seed.TryFormat(_text, out _, provider: CultureInfo.InvariantCulture);
        RandomAccess.Write(_file.SafeFileHandle, _text, 0);
    }

    public void End() => Volatile.Write(ref _since, 0);

    public void Dispose()
    {
        _timer.Dispose();
        _file.Dispose();
        File.Delete(_path);
    }

    private void Watch()
    {
        long since = Volatile.Read(ref _since);
        if (since != 0 && Environment.TickCount64 - since > Limit.TotalMilliseconds)
        {
            Environment.FailFast(
                $"The hostile image of seed {Volatile.Read(ref _seed)} takes longer than {Limit}: a hang.");
        }
    }
}
