namespace PCache.Sqlite.Databases;

/// <summary>Opens databases by their full path: from real files, or from simulated ones.</summary>
internal interface IDatabaseSource
{
    /// <summary>Whether a cache of this database lies about, so that its plain files aren't all there is.</summary>
    bool HasCache(string path);

    /// <summary>Opens database and cache.</summary>
    /// <param name="path">Full path.</param>
    /// <param name="mode">What is asked for.</param>
    /// <exception cref="FileNotFoundException">There is none, and it wasn't to be made.</exception>
    /// <exception cref="UnauthorizedAccessException">Files can't be written.</exception>
    /// <exception cref="IOException">It failed, or is in use.</exception>
    Database Open(string path, DatabaseMode mode);
}

/// <summary>How a database is opened.</summary>
internal enum DatabaseMode
{
    /// <summary>It must be there.</summary>
    Existing = 0,

    /// <summary>It is made if it isn't there.</summary>
    Create = 1,

    /// <summary>It must be there, and nothing on the media is changed.</summary>
    ReadOnly = 2,
}
