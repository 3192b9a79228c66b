namespace PCache.Core.Layout;

/// <summary>Where a reader that goes on after damage reports it. The receiver bounds what it keeps.</summary>
internal interface IFindingSink
{
    /// <summary>Whether another finding is kept; if not it is only counted, and needs no text.</summary>
    bool KeepsMore { get; }

    /// <summary>Takes one finding.</summary>
    void Add(Finding finding);
}

/// <summary>
/// One way to report, for both kinds of reading. Keeps true: without a sink every damage is a
/// <see cref="PCacheCorruptionException"/> at once and notes are dropped; with one nothing is thrown and everything
/// is recorded.
/// </summary>
internal readonly struct FindingReporter(IFindingSink? sink)
{
    /// <summary>Whether reading stops at the first damage.</summary>
    public bool IsStrict => sink is null;

    /// <summary>Whether a finding's text is of use: an image may give rise to a great many.</summary>
    public bool NeedsText => sink is null || sink.KeepsMore;

    /// <param name="structure">The structure concerned.</param>
    /// <param name="deviceOffset">Where it stands.</param>
    /// <param name="text">What is wrong.</param>
    /// <param name="code">The kind of finding; null: the one named like the structure.</param>
    /// <param name="linux">What it is to Linux.</param>
    public void Damage(
        string structure, long deviceOffset, string text, string? code = null, LinuxCase linux = LinuxCase.AsForUs)
    {
        if (sink is null)
        {
            throw new PCacheCorruptionException(structure, deviceOffset, text);
        }

        sink.Add(new Finding(FindingSeverity.Damage, structure, deviceOffset, text)
        {
            Code = code ?? CodeOf(structure),
            Linux = linux,
        });
    }

    public void Note(string structure, long deviceOffset, string text, string code = "replica",
        LinuxCase linux = LinuxCase.AsForUs) =>
        sink?.Add(new Finding(FindingSeverity.Note, structure, deviceOffset, text) { Code = code, Linux = linux });

    public void Lost(string structure, long deviceOffset, string text) =>
        sink?.Add(new Finding(FindingSeverity.Lost, structure, deviceOffset, text) { Code = "key-lost" });

    private static string CodeOf(string structure) =>
        structure == ExtensionBlocks.StructureName ? "extension" : structure.Replace(' ', '-');
}
