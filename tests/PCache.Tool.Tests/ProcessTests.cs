using System.Diagnostics;
using PCache.Core.Pmem;
using PCache.Tool.Kills;

namespace PCache.Tool.Tests;

/// <summary>
/// What only a real process shows: standard streams, exit codes, locks between processes, an end without close.
/// </summary>
public sealed class ProcessTests : IDisposable
{
    private readonly ToolDirectory _directory = new();

    public ProcessTests()
    {
        _directory.Zeros("b", 1 << 20);
        ToolRun.Run("format", _directory["c"], "--size", "2M", "--segment-size", "64K").Expect(0);
    }

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void Exit_codes_and_streams()
    {
        (int help, string helpOut, string helpError, _) = Run([], "--help");
        Assert.Equal(0, help);
        Assert.Contains("Examples:", helpOut, StringComparison.Ordinal);
        Assert.Empty(helpError);

        (int usage, string usageOut, string usageError, _) = Run([], "status");
        Assert.Equal(2, usage);
        Assert.Empty(usageOut);
        Assert.StartsWith("error: ", usageError, StringComparison.Ordinal);

        (int missing, _, string missingError, _) = Run([], "status", _directory["missing"]);
        Assert.Equal(3, missing);
        Assert.DoesNotContain("   at ", missingError, StringComparison.Ordinal);
    }

    [Fact]
    public void Bytes_go_through_pipes_unchanged()
    {
        byte[] data = new byte[70_000];
        new Random(1).NextBytes(data);
        Assert.Equal(0, Run(data, "write", _directory["c"], _directory["b"], "--input", "-", "--offset",
            "513").ExitCode);
        var read = Run([], "read", _directory["c"], _directory["b"], "--output", "-", "--offset", "513", "--length",
            "70000");
        Assert.Equal(0, read.ExitCode);
        Assert.Empty(read.Error);
        Assert.Equal(data, read.Bytes);
    }

    [Fact]
    public void End_without_flush_is_a_crash_that_harms_nothing()
    {
        byte[] data = new byte[4096];
        Array.Fill(data, (byte)7);
        Assert.Equal(0, Run(data, "write", _directory["c"], _directory["b"], "--input", "-").ExitCode);
        byte[] newer = new byte[8192];
        Array.Fill(newer, (byte)9);
        Assert.Equal(0, Run(newer, "write", _directory["c"], _directory["b"], "--input", "-", "--no-flush").ExitCode);
        ToolRun.Run("check", _directory["c"], "--backing", _directory["b"]).Expect(0);
        byte[] read = ToolRun.Run("read", _directory["c"], _directory["b"], "--output", "-", "--length", "8K")
            .Expect(0).Bytes;
        for (int sector = 0; sector < 16; sector++)
        {
            byte old = (byte)(sector < 8 ? 7 : 0);
            byte[] content = read[(sector * 512)..((sector + 1) * 512)];
            Assert.True(content.All(value => value == old) || content.All(value => value == 9), $"sector {sector}");
        }
    }

    [Fact]
    public void Another_process_is_kept_out_while_a_writer_has_the_cache()
    {
        using (PmemFile.Open(_directory["c"]))
        {
            var status = Run([], "status", _directory["c"]);
            Assert.Equal(3, status.ExitCode);
            Assert.Contains("in use", status.Error, StringComparison.Ordinal);
        }

        using (PmemFile.Open(_directory["c"], new PmemFileOptions { ReadOnly = true }))
        {
            Assert.Equal(0, Run([], "status", _directory["c"]).ExitCode);
            Assert.Equal(3, Run([], "set", _directory["c"], "--label", "x").ExitCode);
        }
    }

    private static (int ExitCode, string Out, string Error, byte[] Bytes) Run(byte[] input, params string[] args)
    {
        using Process process = Process.Start(SelfProcess.CreateStartInfo(args))!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        using var output = new MemoryStream();
        Task copy = process.StandardOutput.BaseStream.CopyToAsync(output);
        try
        {
            process.StandardInput.BaseStream.Write(input);
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // The process ended without reading its input.
        }

        Task.WaitAll(error, copy);
        process.WaitForExit();
        return (process.ExitCode, System.Text.Encoding.UTF8.GetString(output.ToArray()), error.Result,
            output.ToArray());
    }
}
