namespace PCache.Core.Inspection;

/// <summary>What Linux's dm-pcache (7.3.4, as measured there) would do with a cache image, worse ones later.</summary>
public enum LinuxVerdict
{
    /// <summary>It takes the image and reads it right.</summary>
    Takes = 0,

    /// <summary>It takes the image without a word, and then loses, misreads or never writes back some of it.</summary>
    TakesWrongly = 1,

    /// <summary>
    /// It takes the image for a device that was never formatted, and formats it over: all dirty data is gone, without
    /// a word.
    /// </summary>
    FormatsOver = 2,

    /// <summary>It refuses the image.</summary>
    Refuses = 3,
}
