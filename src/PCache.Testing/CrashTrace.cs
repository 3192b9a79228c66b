using PCache.Core.Primitives;

namespace PCache.Testing;

/// <summary>
/// The last lines of what happened. Keeps true: stores and drains of the region in a row share one line. Thread-safe.
/// </summary>
internal sealed class CrashTrace
{
    private const int MostLines = 40;

    private readonly SteadyLock _lock = new();
    private readonly Queue<string> _lines = new();
    private int _stores;
    private int _drains;

    public IReadOnlyList<string> Lines
    {
        get
        {
            using (_lock.Hold())
            {
                EndStores();
                return [.. _lines];
            }
        }
    }

    public void Add(string line)
    {
        using (_lock.Hold())
        {
            EndStores();
            Keep(line);
        }
    }

    public void AddStore()
    {
        using (_lock.Hold())
        {
            _stores++;
        }
    }

    public void AddDrain()
    {
        using (_lock.Hold())
        {
            _drains++;
        }
    }

    private void EndStores()
    {
        if (_stores + _drains > 0)
        {
            Keep($"    cache: {_stores} stores, {_drains} drains");
            _stores = _drains = 0;
        }
    }

    private void Keep(string line)
    {
        if (_lines.Count == MostLines)
        {
            _ = _lines.Dequeue();
        }

        _lines.Enqueue(line);
    }
}
