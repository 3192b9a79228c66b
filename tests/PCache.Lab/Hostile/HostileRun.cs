using System.Globalization;
using PCache.Core;

namespace PCache.Lab.Hostile;

/// <summary>
/// Something that no image may bring about, and the seed from which exactly that image is made again.
/// </summary>
/// <param name="Seed">Seed of the image.</param>
/// <param name="Image">How it was made, in words.</param>
/// <param name="Text">What happened.</param>
internal sealed record HostileViolation(int Seed, string Image, string Text)
{
    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"Seed {Seed}: {Text}{Environment.NewLine}  Image: {Image}");
}

/// <summary>
/// Confronts the engine with hostile images, one for each seed. Keeps true: the engine's verdict on each image, and
/// every byte that it returns, is compared with the model reader's; whatever the engine does, the base is as it was
/// before the next image; a call that never ends is told on standard error, with its seed.
/// </summary>
internal sealed class HostileRun : IDisposable
{
    /// <summary>What opening an image gives that isn't refused.</summary>
    public const string OpenedOutcome = "opened";

    private readonly HostileImages _images;
    private readonly SeedNote _note = new();
    private readonly SortedDictionary<string, long> _outcomes = [];

    /// <param name="bases">The images to start from; disposed with this.</param>
    public HostileRun(IReadOnlyList<HostileBase> bases) => _images = new HostileImages(bases);

    /// <summary>Images so far.</summary>
    public long Images { get; private set; }

    /// <summary>Images that were opened for writing, and worked with.</summary>
    public long Sessions { get; private set; }

    /// <summary>Images whose meaning had to stay the base's.</summary>
    public long Unharmed { get; private set; }

    /// <summary>Images whose backing was found to be the right one after a crash.</summary>
    public long Recognised { get; private set; }

    /// <summary>Most bytes that looking at one image has allocated.</summary>
    public long MostAllocatedBytes { get; private set; }

    /// <summary>Number of images by what opening them gave: "opened", or the exception's name.</summary>
    public IReadOnlyDictionary<string, long> Outcomes => _outcomes;

    /// <summary>Confronts the engine with one image; null: all is well.</summary>
    public HostileViolation? Run(int seed)
    {
        Images++;
        _note.Begin(seed);
        HostileImage image = _images.Make(seed);
        string? wrong;
        try
        {
            wrong = new HostileTrial(image, this).Run();
        }
        catch (Exception e)
        {
            wrong = e.ToString();
        }

        HostileImages.Undo(image);
        _note.End();
        return image.Base.ComputeSum() != image.Base.Sum
            ? throw new InvalidOperationException($"Seed {seed}: the base '{image.Base.Name}' isn't what it was.")
            : wrong is not null ? new HostileViolation(seed, image.Description, wrong)
            : null;
    }

    /// <summary>Runs a row of seeds until one is a violation.</summary>
    /// <param name="first">First seed.</param>
    /// <param name="count">How many.</param>
    public HostileViolation? Run(int first, int count)
    {
        for (int i = 0; i < count; i++)
        {
            if (Run(first + i) is HostileViolation violation)
            {
                return violation;
            }
        }

        return null;
    }

    /// <summary>What has been done, in one line.</summary>
    public string Summary() => string.Create(
        CultureInfo.InvariantCulture,
        $"{Images} images ({string.Join(", ", _outcomes.Select(o => $"{o.Key} {o.Value}"))}; {Unharmed} unharmed, "
            + $"{Recognised} recognised, {Sessions} worked with; "
            + $"at most {MostAllocatedBytes >> 10} KiB allocated for one)");

    public void Dispose()
    {
        _images.Dispose();
        _note.Dispose();
    }

    internal void CountOutcome(string name) => _outcomes[name] = _outcomes.GetValueOrDefault(name) + 1;

    internal void CountSession() => Sessions++;

    internal void CountUnharmed() => Unharmed++;

    internal void CountCompared(BackingCheck check) => Recognised += check == BackingCheck.MatchedAfterCrash ? 1 : 0;

    internal void NoteAllocated(long bytes) => MostAllocatedBytes = Math.Max(MostAllocatedBytes, bytes);
}
