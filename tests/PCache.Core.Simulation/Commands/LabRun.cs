using System.Text;
using System.Text.Json;
using PCache.Lab.Commands;
using PCache.Tool.Shell;

namespace PCache.Core.Simulation.Commands;

/// <summary>Runs the laboratory's program in-process and keeps what it said.</summary>
internal sealed record LabRun(int ExitCode, string Out, string Error)
{
    public static LabRun Run(params string[] args) => Run(context => LabCommand.Invoke(args, context));

    public static LabRun Run(Func<ToolContext, int> command)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        var context = new ToolContext { Out = output, Error = error, OpenInput = () => Stream.Null, OpenOutput = () => Stream.Null };
        return new LabRun(command(context), output.ToString(), error.ToString());
    }

    /// <summary>Asserts the exit code; the message shows what was said.</summary>
    public LabRun Expect(int exitCode)
    {
        Assert.True(ExitCode == exitCode, $"Exit code {ExitCode}, expected {exitCode}.\nOut: {Out}\nError: {Error}");
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
}
