// Keeps true: nothing is changed in a file before the open file itself is known to be none of the inputs and to be
// ours to write: new, empty, or consented to; a new one is made by this very call, readable by its owner alone until
// it has the rights of what it stands for; what isn't kept is removed while it is still locked, and only if this call
// made it, else emptied.
using PCache.Core.Files;

namespace PCache.Tool;

/// <summary>A file that a command writes.</summary>
internal sealed class OutputFile : IDisposable
{
    private readonly string _path;
    private readonly bool _made;
    private readonly bool _isRegular;
    private bool _begun;
    private bool _kept;

    private OutputFile(string path, FileStream stream, bool made, bool isRegular)
    {
        _path = path;
        Stream = stream;
        _made = made;
        _isRegular = isRegular;
    }

    /// <summary>The open file; empty after <see cref="Begin"/>, where it is an ordinary one.</summary>
    public FileStream Stream { get; }

    /// <summary>Whether it is an ordinary file, which can be sparse; else a device, a terminal or a pipe.</summary>
    public bool IsRegular => _isRegular;

    /// <summary>Refuses by name, before anything is opened or read, what <see cref="Open"/> would refuse.</summary>
    public static void Check(string path, string option, bool force, InputFiles inputs)
    {
        if (Directory.Exists(path))
        {
            throw ToolException.Refused($"'{path}' is a directory. Give the path of a file for {option}.");
        }

        RefuseInput(inputs.Find(path), path, option);
        if (!force && File.Exists(path)
            && (InputFiles.TryFacts(path) is { } facts ? Holds(facts) : new FileInfo(path).Length > 0))
        {
            throw Exists(path, option);
        }
    }

    /// <summary>Opens or makes the file, and changes nothing in an existing one.</summary>
    /// <param name="path">Its name.</param>
    /// <param name="option">The option that names it, for messages.</param>
    /// <param name="force">Consent to overwrite what it holds.</param>
    /// <param name="inputs">What it may not be. The file is added to them.</param>
    /// <param name="model">The file whose content it holds, and whose rights a new one gets; null: stays the owner's
    /// alone.</param>
    /// <exception cref="ToolException">It is one of the inputs, or holds something without consent.</exception>
    /// <exception cref="IOException">The system refused.</exception>
    public static OutputFile Open(string path, string option, bool force, InputFiles inputs, FileFacts? model)
    {
        // else its own lock keeps it from being opened, and the message says so
        RefuseInput(inputs.Find(path), path, option);
        FileStream stream = OpenOrMake(path, out bool made);
        FileFacts? facts = null;
        bool regular = true;
        try
        {
            RefuseInput(inputs.Find(stream.SafeFileHandle), path, option);
            facts = FileFacts.Of(stream.SafeFileHandle);
            regular = facts is null || facts.Kind == FileKind.Regular;
            if (!force && !made && (facts is null ? stream.Length > 0 : Holds(facts)))
            {
                throw Exists(path, option);
            }

            if (made && model is not null)
            {
                FileRights.Apply(stream.SafeFileHandle, model);
            }

            inputs.Add(stream.SafeFileHandle, "the file of " + option);
            return new OutputFile(path, stream, made, regular);
        }
        catch
        {
            new OutputFile(path, stream, made, regular).Dispose();
            throw;
        }
    }

    /// <summary>Empties the file, now that all is known to be right.</summary>
    public void Begin()
    {
        _begun = true;
        if (_isRegular && Stream.Length > 0)
        {
            Stream.SetLength(0);
        }
    }

    /// <summary>What has been written is whole: it stays.</summary>
    public void Keep() => _kept = true;

    public void Dispose()
    {
        if (!_kept && _isRegular)
        {
            Discard();
        }

        Stream.Dispose();
    }

    private static FileStream OpenOrMake(string path, out bool made)
    {
        // Each may lose a race against another process that makes or removes the file.
        for (int round = 0; ; round++)
        {
            try
            {
                made = true;
                return new FileStream(PrivateFile.CreateNew(path), FileAccess.ReadWrite, 0);
            }
            catch (IOException) when (Path.Exists(path) && round < 3)
            {
            }

            try
            {
                made = false;
                return new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.None, 0);
            }
            catch (FileNotFoundException) when (round < 3)
            {
            }
        }
    }

    /// <summary>
    /// Whether overwriting it destroys something: an ordinary file with content, or a disk. Terminals and pipes hold
    /// nothing.
    /// </summary>
    private static bool Holds(FileFacts facts) => facts.Kind switch
    {
        FileKind.Regular => facts.LengthBytes > 0,
        FileKind.Character or FileKind.Fifo or FileKind.Socket => false,
        _ => true,
    };

    private static void RefuseInput(string? role, string path, string option)
    {
        if (role is not null)
        {
            throw ToolException.Refused($"'{path}' is {role} itself. Give another file for {option}.");
        }
    }

    private static ToolException Exists(string path, string option) =>
        ToolException.Refused($"'{path}' exists already. Give another file for {option}, or --force to overwrite it.");

    private void Discard()
    {
        try
        {
            if (!_made)
            {
                if (_begun)
                {
                    Stream.SetLength(0);
                }
            }
            else if (OperatingSystem.IsWindows())
            {
                Stream.Dispose();
                File.Delete(_path);
            }
            else if (FileFacts.IsNamed(Stream.SafeFileHandle, _path) != false)
            {
                File.Delete(_path);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // What brought the command here says more.
        }
    }
}
