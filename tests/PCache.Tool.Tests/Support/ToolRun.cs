using System.Text;
using System.Text.Json;

namespace PCache.Tool.Tests.Support;

/// <summary>Runs a command in-process and keeps what it said.</summary>
internal sealed partial record ToolRun(int ExitCode, string Out, string Error, byte[] Bytes)
{
    /// <summary>Runs a command with this standard input.</summary>
    public static ToolRun Of(Func<ToolContext, int> command, byte[]? input = null)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        var bytes = new MemoryStream();
        var context = new ToolContext
        {
            Out = output,
            Error = error,
            OpenInput = () => new MemoryStream(input ?? []),
            OpenOutput = () => new KeptStream(bytes),
        };
        int exitCode = command(context);
        return new ToolRun(exitCode, output.ToString(), error.ToString(), bytes.ToArray());
    }

    /// <summary>Asserts the exit code; the message shows what was said.</summary>
    public ToolRun Expect(int exitCode)
    {
        Assert.True(ExitCode == exitCode, $"Exit code {ExitCode}, expected {exitCode}.\nOut: {Out}\nError: {Error}");
        return this;
    }

    /// <summary>
    /// Asserts an error as people should see it: one line that begins "error:", says something, and is no stack trace;
    /// nothing on standard output.
    /// </summary>
    public ToolRun ExpectError(int exitCode, string? mentions = null)
    {
        Expect(exitCode);
        Assert.StartsWith("error: ", Error, StringComparison.Ordinal);
        Assert.Single(Error.TrimEnd().Split('\n'));
        Assert.EndsWith(".", Error.TrimEnd(), StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", Error, StringComparison.Ordinal);
        Assert.DoesNotContain("Exception", Error, StringComparison.Ordinal);
        Assert.Empty(Out);
        if (mentions is not null)
        {
            Assert.Contains(mentions, Error, StringComparison.Ordinal);
        }

        return this;
    }

    /// <summary>Parses standard output as exactly one JSON document.</summary>
    public JsonElement Json()
    {
        var reader = new Utf8JsonReader(Encoding.UTF8.GetBytes(Out));
        using JsonDocument document = JsonDocument.ParseValue(ref reader);
        Assert.False(reader.Read());
        return document.RootElement.Clone();
    }

    private sealed class KeptStream(MemoryStream target) : MemoryStream
    {
        protected override void Dispose(bool disposing)
        {
            target.Write(GetBuffer(), 0, (int)Length);
            base.Dispose(disposing);
        }
    }
}
