namespace PCache.Testing;

/// <summary>The last lines of what happened. Keeps true: stores and drains of the region in a row share one line. Thread-safe.</summary>
internal sealed class CrashTrace
{
    private const int MostLines = 40;

    private readonly Lock _lock = new();
    private readonly Queue<string> _lines = new();
    private int _stores;
    private int _drains;

    public IReadOnlyList<string> Lines
    {
        get
        {
            lock (_lock)
            {
                EndStores();
                return [.. _lines];
            }
        }
    }

    public void Add(string line)
    {
        lock (_lock)
        {
            EndStores();
            Keep(line);
        }
    }

    public void AddStore()
    {
        lock (_lock)
        {
            _stores++;
        }
    }

    public void AddDrain()
    {
        lock (_lock)
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
