using System.Globalization;
using PCache.Core.Primitives;

namespace PCache.Testing;

/// <summary>What an entry of a <see cref="CrashTestLog"/> says.</summary>
public enum CrashTestEntryKind
{
    /// <summary>A change was begun: from here on it may be found after a crash.</summary>
    Begun,

    /// <summary>
    /// A change was acknowledged: from here on it must be found after a crash, or one that was begun after it.
    /// </summary>
    Promised,

    /// <summary>A remark, for the reader of a failure.</summary>
    Note,
}

/// <summary>An entry of a <see cref="CrashTestLog"/>.</summary>
/// <param name="Kind">What it says.</param>
/// <param name="Name">What was changed; the text of a note.</param>
/// <param name="Value">What it was changed to; null: removed.</param>
public sealed record CrashTestEntry(CrashTestEntryKind Kind, string Name, string? Value)
{
    /// <inheritdoc/>
    public override string ToString() => Kind switch
    {
        CrashTestEntryKind.Begun => $"begun: {Name} = {Shown}",
        CrashTestEntryKind.Promised => $"promised: {Name} = {Shown}",
        _ => $"note: {Name}",
    };

    private string Shown => CrashTestLog.Shown(Value);
}

/// <summary>
/// What an application has begun and promised in a <see cref="CrashTest"/>, up to the crash.
/// </summary>
/// <remarks>
/// <para>
/// The workload writes it: <see cref="Begin"/> before a change, <see cref="Promise()"/> when the application says
/// that its changes are safe. The verification reads it: <see cref="Check"/> for each name, or <see cref="Entries"/>
/// for promises of other kinds. A verification may also go on working: what it begins and promises counts for crashes
/// during the verification itself.
/// </para>
/// <para>Keeps true: entries are only added; a verification has a log of its own, which begins with what there was at
/// the crash. Thread-safe.</para>
/// </remarks>
public sealed class CrashTestLog
{
    private readonly SteadyLock _lock = new();
    private readonly List<CrashTestEntry> _entries = [];
    private readonly Dictionary<string, List<CrashTestEntry>> _changes = []; // by name
    private readonly List<string> _names = [];
    private readonly Action<string>? _trace;

    internal CrashTestLog(IEnumerable<CrashTestEntry> entries, Action<string>? trace)
    {
        foreach (CrashTestEntry entry in entries)
        {
            Keep(entry);
        }

        _trace = trace;
    }

    /// <summary>All entries, oldest first.</summary>
    public IReadOnlyList<CrashTestEntry> Entries
    {
        get
        {
            using (_lock.Hold())
            {
                return [.. _entries];
            }
        }
    }

    /// <summary>Every name that was begun or promised, in the order of first mention.</summary>
    public IReadOnlyList<string> Names
    {
        get
        {
            using (_lock.Hold())
            {
                return [.. _names];
            }
        }
    }

    /// <summary>Says that a change begins: from here on it may be found after a crash.</summary>
    /// <param name="name">What is changed: a key, a file, a page.</param>
    /// <param name="value">What it is changed to; null: it is removed. Before its first change a name has the value
    /// null.</param>
    /// <exception cref="ArgumentNullException">There is no name.</exception>
    public void Begin(string name, string? value)
    {
        ArgumentNullException.ThrowIfNull(name);
        Add(new CrashTestEntry(CrashTestEntryKind.Begun, name, value));
    }

    /// <summary>
    /// Says that all changes that were begun are acknowledged: from here on the last one of each name must be found
    /// after a crash, or a later one.
    /// </summary>
    public void Promise()
    {
        using (_lock.Hold())
        {
            foreach (string name in _names)
            {
                CrashTestEntry last = _changes[name][^1];
                if (last.Kind == CrashTestEntryKind.Begun)
                {
                    Add(last with { Kind = CrashTestEntryKind.Promised });
                }
            }
        }
    }

    /// <summary>Says that one change is acknowledged, whether it was begun before or not.</summary>
    /// <param name="name">What was changed.</param>
    /// <param name="value">What it was changed to; null: it was removed.</param>
    /// <exception cref="ArgumentNullException">There is no name.</exception>
    public void Promise(string name, string? value)
    {
        ArgumentNullException.ThrowIfNull(name);
        Add(new CrashTestEntry(CrashTestEntryKind.Promised, name, value));
    }

    /// <summary>Adds a remark that is shown with a failure.</summary>
    /// <param name="text">The remark.</param>
    public void Note(string text) => Add(new CrashTestEntry(CrashTestEntryKind.Note, text, null));

    /// <summary>
    /// The values that a name may have after the crash, the promised one first: the acknowledged change that was
    /// begun last, or any that was begun after it; without an acknowledged one null, or any that was begun.
    /// </summary>
    /// <param name="name">What was changed.</param>
    public IReadOnlyList<string?> Allowed(string name)
    {
        using (_lock.Hold())
        {
            List<CrashTestEntry> entries = _changes.GetValueOrDefault(name, []);
            int from = -1;
            for (int i = 0; i < entries.Count; i++)
            {
                if (entries[i].Kind == CrashTestEntryKind.Promised)
                {
                    int begun = entries.FindLastIndex(
                        i, entry => entry.Kind == CrashTestEntryKind.Begun && entry.Value == entries[i].Value);
                    from = Math.Max(from, begun < 0 ? i : begun);
                }
            }

            var allowed = new List<string?> { from < 0 ? null : entries[from].Value };
            allowed.AddRange(
                entries.Skip(from + 1).Where(entry => entry.Kind == CrashTestEntryKind.Begun).Select(
                    entry => entry.Value));
            return [.. allowed.Distinct()];
        }
    }

    /// <summary>Fails unless a name has a value that it may have (see <see cref="Allowed"/>).</summary>
    /// <param name="name">What was changed.</param>
    /// <param name="actual">The value that the application found after the crash; null: none.</param>
    /// <exception cref="CrashTestException">It may not have this value.</exception>
    public void Check(string name, string? actual)
    {
        IReadOnlyList<string?> allowed = Allowed(name);
        if (!allowed.Contains(actual))
        {
            throw new CrashTestException(
                $"'{name}' is {Shown(actual)} after the crash; allowed: {string.Join(", ", allowed.Select(Shown))}.");
        }
    }

    internal static string Shown(string? value) => value switch
    {
        null => "nothing",
        { Length: > 40 } => string.Create(
            CultureInfo.InvariantCulture, $"'{value[..24]}...' ({value.Length} characters, #{Digest(value):x8})"),
        _ => $"'{value}'",
    };

    /// <summary>Tells long values apart.</summary>
    private static uint Digest(string value)
    {
        uint digest = 2_166_136_261;
        foreach (char c in value)
        {
            digest = unchecked((digest ^ c) * 16_777_619);
        }

        return digest;
    }

    private void Add(CrashTestEntry entry)
    {
        using (_lock.Hold())
        {
            Keep(entry);
        }

        _trace?.Invoke(entry.ToString());
    }

    private void Keep(CrashTestEntry entry)
    {
        _entries.Add(entry);
        if (entry.Kind == CrashTestEntryKind.Note)
        {
            return;
        }

        if (!_changes.TryGetValue(entry.Name, out List<CrashTestEntry>? changes))
        {
            _changes.Add(entry.Name, changes = []);
            _names.Add(entry.Name);
        }

        changes.Add(entry);
    }
}
