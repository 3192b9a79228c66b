// Keeps true: a program that has nothing but the package PCache.Core compiles the examples of the pages without a
// warning, trimming and native AOT analyzers included, and does the same when it is trimmed.

using System.Runtime.InteropServices;
using PCache.Packages.Tests.Support;

namespace PCache.Packages.Tests;

/// <summary>The library as an application has it.</summary>
[Collection(PackedPackagesGroup.Name)]
public sealed class LibraryConsumerTests(PackedPackages packages)
{
    private static readonly string[] Printed =
    [
        "package: hello",
        "one-line: 1, 2, 3",
        "device: written is read",
        "batch: 1003 bytes",
        "drain: the backing has it",
        "status: 0 dirty bytes, PageCache, power-safe: True, last error: none",
        "read-only: 512 bytes",
        "done",
    ];

    [Fact]
    public void The_examples_of_the_readme_compile_without_a_warning_and_run()
    {
        var consumer = new Consumer(packages, "quickstart", ExpectedPackages.Core, Program());
        consumer.Build();
        AssertPrinted(consumer.Run(published: null));
    }

    [Fact]
    public void A_trimmed_program_prints_the_same()
    {
        var consumer = new Consumer(packages, "trimmed", ExpectedPackages.Core, Program());
        string published = consumer.PublishTrimmed(Runtime);
        Assert.True(File.Exists(Path.Combine(published, "PCache.Core.dll")));
        using PackageFile package = packages.OpenPackage(ExpectedPackages.Core);
        int whole = package.Read("lib/net10.0/PCache.Core.dll").Length;
        Assert.InRange(new FileInfo(Path.Combine(published, "PCache.Core.dll")).Length, 1, whole - 1); // it was trimmed
        AssertPrinted(consumer.Run(published));
    }

    private static string Runtime
    {
        get
        {
            string system = OperatingSystem.IsWindows() ? "win" : OperatingSystem.IsMacOS() ? "osx" : "linux";
            string libc = system == "linux"
                && RuntimeInformation.RuntimeIdentifier.Contains("musl", StringComparison.Ordinal) ? "-musl"
                : string.Empty;
#pragma warning disable CA1308 // identifiers of runtimes are in lower case
            return $"{system}{libc}-{RuntimeInformation.OSArchitecture.ToString().ToLowerInvariant()}";
#pragma warning restore CA1308
        }
    }

    private static void AssertPrinted(CommandResult run)
    {
        run.MustSucceed();

        // How far the drain has come is told from another thread, whenever that gets to run.
        string[] lines = [.. run.Output.ReplaceLineEndings("\n").Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Where(line => !line.EndsWith(" bytes to go", StringComparison.Ordinal))];
        Assert.Equal(Printed, lines);
    }

    private static string Program() => $$"""
        using PCache.Core;
        using PCache.Core.Pmem;

        await Package();
        OneLine("one-line.cache", NewDisk("one-line.disk"));
        await Device("device.cache", NewDisk("device.disk"), CancellationToken.None);
        ReadOnly("device.cache", "device.disk");
        Console.WriteLine("done");

        static string NewDisk(string path)
        {
            File.WriteAllBytes(path, new byte[8 << 20]);
            return path;
        }

        static async Task Package()
        {
            await Example();
            ReadOnlySpan<byte> written = File.ReadAllBytes("disk.img").AsSpan(4096, 5);
            Console.WriteLine($"package: {System.Text.Encoding.UTF8.GetString(written)}");

            static async Task Example()
            {
        {{PageExamples.GetWithoutUsings("src/PCache.Core/README.md", "package")}}
            }
        }

        static void OneLine(string cachePath, string backingPath)
        {
            byte[] data = [1, 2, 3];
        {{PageExamples.Get("README.md", "one-line")}}
            stream.Position = 4096;
            Console.WriteLine($"one-line: {stream.ReadByte()}, {stream.ReadByte()}, {stream.ReadByte()}");
        }

        static async Task Device(string cachePath, string backingPath, CancellationToken cancellationToken)
        {
            byte[] data = [.. Enumerable.Range(0, 1000).Select(i => (byte)i)];
            string report;
        {{PageExamples.Get("README.md", "device")}}
            byte[] again = new byte[data.Length];
            device.Read(12_345, again);
            bool same = data.AsSpan().SequenceEqual(again);
            Console.WriteLine(same ? "device: written is read" : "device: written isn't read");
            byte[] first = [1, 1, 1];
            byte[] second = new byte[4096];
            byte[] third = [.. Enumerable.Repeat((byte)3, 1000)];
            byte[] buffer = new byte[3];
            byte[] other = new byte[1000];
        {{PageExamples.Get("README.md", "batch")}}
            same = first.AsSpan().SequenceEqual(buffer) && third.AsSpan().SequenceEqual(other);
            Console.WriteLine($"batch: {(same ? read : -1)} bytes");
        {{PageExamples.Get("README.md", "drain")}}
            backing.Read(12_345, again);
            same = data.AsSpan().SequenceEqual(again);
            Console.WriteLine(same ? "drain: the backing has it" : "drain: the backing hasn't got it");
        {{PageExamples.Get("README.md", "status")}}
            Console.WriteLine($"status: {report[(report.IndexOf(',') + 2)..]}");
        }

        static void ReadOnly(string cachePath, string backingPath)
        {
            byte[] buffer = new byte[512];
        {{PageExamples.Get("README.md", "read-only")}}
            Console.WriteLine($"read-only: {read} bytes");
        }
        """;
}
