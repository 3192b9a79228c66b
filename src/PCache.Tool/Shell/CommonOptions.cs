// Keeps true: arguments and options that several commands share are declared and checked once; a bad value is a parse
// error (exit code 2).
using System.CommandLine;
using System.Text;

namespace PCache.Tool.Shell;

/// <summary>Factories for arguments and options.</summary>
internal static class CommonOptions
{
    public static Argument<string> Cache() => Path("CACHE", "The cache file.");

    public static Argument<string> Backing() => Path("BACKING", "The backing: a file or a block device.");

    public static Option<bool> Json() =>
        new("--json") { Description = "Print one JSON document and nothing else on standard output." };

    public static Option<long?> Size(string name, string description) => new(name)
    {
        Description = description + " Takes K, M, G.",
        HelpName = "SIZE",
        CustomParser = result =>
        {
            string text = result.Tokens.Count == 1 ? result.Tokens[0].Value : string.Empty;
            if (!SizeText.TryParse(text, out long bytes))
            {
                result.AddError($"'{text}' isn't a size for {name}: give {SizeText.Expected}.");
                return null;
            }

            return bytes;
        },
    };

    public static Option<int?> Number(string name, string description, int minimum, int maximum)
    {
        var option = new Option<int?>(name)
        {
            Description = description,
            HelpName = "N",
            CustomParser = result =>
            {
                string text = result.Tokens.Count == 1 ? result.Tokens[0].Value : string.Empty;
                if (!SizeText.TryParse(text, out long value) || value < minimum || value > maximum)
                {
                    result.AddError(
                        $"'{text}' isn't a value for {name}: give a whole number from {minimum} to {maximum}.");
                    return null;
                }

                return (int)value;
            },
        };
        return option;
    }

    /// <summary>The segment size of a cache whose superblock is destroyed.</summary>
    public static Option<long?> SegmentSize()
    {
        Option<long?> option = Size("--segment-size", "Segment size of a cache whose superblock is destroyed, where it "
            + "is guessed wrong: a power of two from 64K to 16M.");
        option.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && SizeText.TryParse(result.Tokens[0].Value, out long bytes)
                && (bytes is < 64 << 10 or > 16 << 20 || !long.IsPow2(bytes)))
            {
                result.AddError(
                    $"'{result.Tokens[0].Value}' isn't a segment size: give a power of two from 64K to 16M.");
            }
        });
        return option;
    }

    public static Option<int?> GcPercent() =>
        Number("--gc-percent", "Percentage of used segments from which garbage collection runs, 0 to 90.", 0, 90);

    public static Option<string?> Label()
    {
        var option = new Option<string?>(
            "--label")
        { Description = "Label of the cache: at most 64 bytes of UTF-8.", HelpName = "TEXT" };
        option.Validators.Add(result =>
        {
            string text = result.Tokens.Count == 1 ? result.Tokens[0].Value : string.Empty;
            if (Encoding.UTF8.GetByteCount(text) > 64 || text.Contains('\0', StringComparison.Ordinal))
            {
                result.AddError("The label is too long: give at most 64 bytes of UTF-8.");
            }
        });
        return option;
    }

    private static Argument<string> Path(string name, string description)
    {
        var argument = new Argument<string>(name) { Description = description };
        argument.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && string.IsNullOrWhiteSpace(result.Tokens[0].Value))
            {
                result.AddError($"{name} is empty: give the path of a file.");
            }
        });
        return argument;
    }
}
