// Rights of files that hold what another file holds. Keeps true: at no moment can a user open the file who couldn't
// open the model, except its owner.

using Microsoft.Win32.SafeHandles;

namespace PCache.Core.Files;

internal static class FileRights
{
    private const UnixFileMode Group = UnixFileMode.GroupRead | UnixFileMode.GroupWrite;
    private const UnixFileMode Others = UnixFileMode.OtherRead | UnixFileMode.OtherWrite;

    /// <summary>
    /// Gives a file the owner, group and rights of what it stands for, as far as this process may. A group that it
    /// can't give gets nothing; execution is never given. Does nothing on Windows, where a new file has its folder's
    /// rights.
    /// </summary>
    /// <param name="file">Made with <see cref="PrivateFile.CreateNew"/>.</param>
    /// <param name="model">What it stands for.</param>
    /// <exception cref="IOException">The system refused.</exception>
    /// <exception cref="UnauthorizedAccessException">Not permitted.</exception>
    public static void Apply(SafeFileHandle file, FileFacts model)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (OperatingSystem.IsWindows() || FileFacts.Of(file) is not { } own)
        {
            return;
        }

        // Owner and group first: rights given earlier would apply to another user for a moment.
        bool groupFits = own.GroupId == model.GroupId;
        if ((own.OwnerId != model.OwnerId || !groupFits)
            && FileNative.ChangeOwner(file, model.OwnerId, model.GroupId) == 0)
        {
            groupFits = true;
        }
        else if (!groupFits)
        {
            groupFits = FileNative.ChangeOwner(file, own.OwnerId, model.GroupId) == 0;
        }

        File.SetUnixFileMode(file, Allowed(model.Mode, groupFits));
    }

    /// <summary>The rights that a file with this model may have.</summary>
    /// <param name="model">The model's rights.</param>
    /// <param name="groupFits">Whether both belong to one group.</param>
    internal static UnixFileMode Allowed(UnixFileMode model, bool groupFits)
    {
        UnixFileMode mode = PrivateFile.OwnerOnly | (model & Others);
        if (groupFits)
        {
            return mode | (model & Group);
        }

        // A member of the model's group may be kept out of it although all others are let in; here such a user counts
        // among the others.
        UnixFileMode others = mode;
        if (!model.HasFlag(UnixFileMode.GroupRead))
        {
            others &= ~UnixFileMode.OtherRead;
        }

        if (!model.HasFlag(UnixFileMode.GroupWrite))
        {
            others &= ~UnixFileMode.OtherWrite;
        }

        return others;
    }
}
