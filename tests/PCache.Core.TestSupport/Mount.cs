// File systems made for one test. Keeps true: what was mounted is unmounted again, and its image and folder are gone.


namespace PCache.Core.Tests.Support;

/// <summary>A mounted file system.</summary>
internal sealed class Mount : IDisposable
{
    private readonly TempFolder _folder = new("/var/tmp");

    private Mount(params string[] arguments)
    {
        Folder = _folder["mount"];
        Directory.CreateDirectory(Folder);
        if (LoopDeviceFactAttribute.Run("mount", [.. arguments, Folder]) is null)
        {
            _folder.Dispose();
            throw new InvalidOperationException($"mount {string.Join(' ', arguments)} failed.");
        }
    }

    private Mount(string imageBytes, string make, string[] makeArguments)
    {
        Folder = _folder["mount"];
        Directory.CreateDirectory(Folder);
        string image = _folder.CreateFile("image",
            long.Parse(imageBytes, System.Globalization.CultureInfo.InvariantCulture));
        if (LoopDeviceFactAttribute.Run(make, [.. makeArguments, image]) is null
            || LoopDeviceFactAttribute.Run("mount", "-o", "loop", image, Folder) is null)
        {
            _folder.Dispose();
            throw new InvalidOperationException($"{make} or the mount of its file system failed.");
        }
    }

    /// <summary>Where it is.</summary>
    public string Folder { get; }

    /// <summary>Path of a file on it.</summary>
    public string this[string name] => Path.Combine(Folder, name);

    /// <summary>One without a device.</summary>
    public static Mount Of(string type, params string[] options) => new(["-t", type, .. options, type]);

    /// <summary>One in an image.</summary>
    public static Mount Made(long imageBytes, string make, params string[] arguments) =>
        new(imageBytes.ToString(System.Globalization.CultureInfo.InvariantCulture), make, arguments);

    /// <summary>Writes until there is no room.</summary>
    public void Fill(string name = "fill")
    {
        Sync();
        LoopDeviceFactAttribute.Run("sh", "-c",
            "dd if=/dev/urandom of=\"$0\" bs=64k 2>/dev/null; dd if=/dev/urandom of=\"$0.2\" bs=4k 2>/dev/null",
            this[name]);
        Sync();
    }

    /// <summary>Makes room again.</summary>
    public void Empty(string name = "fill")
    {
        File.Delete(this[name]);
        File.Delete(this[name + ".2"]);
        Sync();
    }

    /// <summary>This file system only: others may have much to write.</summary>
    private void Sync() => LoopDeviceFactAttribute.Run("sync", "-f", Folder);

    public void Dispose()
    {
        LoopDeviceFactAttribute.Run("umount", Folder);
        _folder.Dispose();
    }
}

/// <summary>Runs where file systems can be mounted (Linux, as root) and made with that program.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class MountFactAttribute : FactAttribute
{
    public MountFactAttribute(string program)
    {
        if (!OperatingSystem.IsLinux() || Environment.UserName != "root"
            || LoopDeviceFactAttribute.Run("sh", "-c", $"command -v {program}") is null
            || (program != "mount" && LoopDeviceFactAttribute.Run("losetup", "--find") is null))
        {
            Skip = $"File systems can't be made here by {program} (needs Linux, root, loop devices and that program).";
        }
    }
}
