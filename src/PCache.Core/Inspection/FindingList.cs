using System.Globalization;
using PCache.Core.Layout;

namespace PCache.Core.Inspection;

/// <summary>
/// Collects findings. Keeps true: never more than a set number is kept, whatever the image holds; all are counted.
/// </summary>
internal sealed class FindingList(int most) : IFindingSink
{
    public const int DefaultMost = 1000;

    private readonly List<Finding> _kept = [];
    private readonly long[] _counts = new long[3];
    private readonly long[] _dropped = new long[3];
    private readonly Finding?[] _first = new Finding?[(int)LinuxCase.EndsEarly + 1];

    /// <summary>
    /// Damage for which Linux refuses an image: in anything but the extension block, and not one that it is known to
    /// go on with.
    /// </summary>
    public bool HasDamageForLinux { get; private set; }

    public bool IsSound => _counts[(int)FindingSeverity.Damage] + _counts[(int)FindingSeverity.Lost] == 0;

    public bool KeepsMore => _kept.Count < most;

    /// <summary>The first finding that is such a case to Linux, kept or not.</summary>
    public Finding? First(LinuxCase linux) => _first[(int)linux];

    public void Add(Finding finding)
    {
        HasDamageForLinux |= finding is { Severity: FindingSeverity.Damage, Linux: LinuxCase.AsForUs }
            && finding.Structure != ExtensionBlocks.StructureName;
        _first[(int)finding.Linux] ??= finding;
        _counts[(int)finding.Severity]++;
        if (KeepsMore)
        {
            _kept.Add(finding);
        }
        else
        {
            _dropped[(int)finding.Severity]++;
        }
    }

    public void Note(string code, string structure, long offset, string text) =>
        Add(new Finding(FindingSeverity.Note, structure, offset, text) { Code = code });

    public void Damage(string code, string structure, long offset, string text) =>
        Add(new Finding(FindingSeverity.Damage, structure, offset, text) { Code = code });

    /// <summary>What was kept, and a line for each severity of which some were not.</summary>
    public IReadOnlyList<Finding> ToList()
    {
        List<Finding> all = [.. _kept];
        for (int severity = 0; severity < _dropped.Length; severity++)
        {
            if (_dropped[severity] > 0)
            {
                all.Add(
                    new Finding(
                        (FindingSeverity)severity, "image", -1, string.Create(CultureInfo.InvariantCulture,
                            $"{_dropped[severity]} more of this kind are not listed."))
                    { Code = "more" });
            }
        }

        return all;
    }
}
