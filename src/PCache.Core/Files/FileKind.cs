namespace PCache.Core.Files;

/// <summary>What a name or handle stands for.</summary>
internal enum FileKind
{
    /// <summary>None of the others.</summary>
    Other,

    /// <summary>An ordinary file.</summary>
    Regular,

    /// <summary>A folder.</summary>
    Directory,

    /// <summary>A block device.</summary>
    Block,

    /// <summary>A character device, as a terminal or a null device.</summary>
    Character,

    /// <summary>A named pipe.</summary>
    Fifo,

    /// <summary>A socket.</summary>
    Socket,

    /// <summary>A symbolic link that wasn't followed.</summary>
    Link,
}
