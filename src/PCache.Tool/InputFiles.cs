// Keeps true: a file is recognised by what it is (device and number on it, and which device a node stands for), never
// by its name: links, bind mounts, /proc/self/fd and loop devices over a file lead to the same. Where the platform
// can't tell, names with their links followed have to do.
using System.Globalization;
using Microsoft.Win32.SafeHandles;
using PCache.Core.Files;

namespace PCache.Tool;

/// <summary>The files that a command reads or works on, and that none of its outputs may be.</summary>
internal sealed class InputFiles
{
    private const ulong LoopMajor = 7;
    private readonly List<(FileFacts Facts, string Role)> _files = [];
    private readonly List<(string Path, string Role)> _names = [];

    /// <summary>
    /// Adds what has this name now. Added again once it is open, a file that took the name in between counts too.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="role">What it is, for messages: "the cache".</param>
    public void Add(string path, string role)
    {
        if (!FileFacts.IsSupported)
        {
            _names.Add((RealPath(path), role));
        }
        else if (TryFacts(path) is { } facts)
        {
            Add(facts, role);
        }
    }

    /// <summary>Adds an open file.</summary>
    public void Add(SafeFileHandle file, string role)
    {
        if (FileFacts.IsSupported && FileFacts.Of(file) is { } facts)
        {
            Add(facts, role);
        }
    }

    /// <summary>Which of them has this name; null: none, or there is no such file.</summary>
    public string? Find(string path) => FileFacts.IsSupported
        ? TryFacts(path) is { } facts ? Find(facts) : null
        : _names.Find(name => Comparer.Equals(name.Path, RealPath(path))).Role;

    /// <summary>Which of them is the open file; null: none.</summary>
    public string? Find(SafeFileHandle file) =>
        FileFacts.IsSupported && FileFacts.Of(file) is { } facts ? Find(facts) : null;

    /// <summary>Whether two names lead to one file.</summary>
    public static bool IsSame(string first, string second)
    {
        var inputs = new InputFiles();
        inputs.Add(first, "first");
        return inputs.Find(second) is not null;
    }

    /// <summary>What the system knows of a name's file; null: there is none, or it can't be looked at.</summary>
    public static FileFacts? TryFacts(string path)
    {
        try
        {
            return FileFacts.TryOfPath(path);
        }
        catch (IOException)
        {
            return null; // opening it says why
        }
    }

    private static StringComparer Comparer =>
        OperatingSystem.IsWindows() ? StringComparer.OrdinalIgnoreCase : StringComparer.Ordinal;

    private void Add(FileFacts facts, string role)
    {
        _files.Add((facts, role));
        if (FileUnder(facts) is { } under)
        {
            _files.Add((under, role));
        }
    }

    private string? Find(FileFacts facts)
    {
        FileFacts? under = FileUnder(facts);
        foreach ((FileFacts input, string role) in _files)
        {
            if (IsSame(input, facts) || (under is not null && IsSame(input, under)))
            {
                return role;
            }
        }

        return null;
    }

    private static bool IsSame(FileFacts a, FileFacts b) =>
        a.Identity == b.Identity
            || (a.Kind == FileKind.Block && b.Kind == FileKind.Block && a.DeviceNumber == b.DeviceNumber);

    /// <summary>The file that a loop device stands for.</summary>
    private static FileFacts? FileUnder(FileFacts facts)
    {
        if (facts.Kind != FileKind.Block || facts.DeviceNumber >> 32 != LoopMajor)
        {
            return null;
        }

        string entry = string.Create(CultureInfo.InvariantCulture,
            $"/sys/dev/block/{LoopMajor}:{facts.DeviceNumber & uint.MaxValue}/loop/backing_file");
        try
        {
            return TryFacts(File.ReadAllText(entry).TrimEnd('\n'));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null; // not set up
        }
    }

    private static string RealPath(string path)
    {
        string full = Path.GetFullPath(path);
        try
        {
            return File.ResolveLinkTarget(full, returnFinalTarget: true)?.FullName ?? full;
        }
        catch (IOException)
        {
            return full;
        }
    }
}
