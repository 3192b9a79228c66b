namespace PCache.Core.Engine;

/// <summary>What a close does besides letting go of region and backing.</summary>
internal interface ICloseSteps
{
    /// <summary>
    /// Whether there are operations in flight that the device itself began, and that end after <see cref="Stop"/>.
    /// </summary>
    bool HasThread { get; }

    /// <summary>
    /// Whether the close was called from inside a maintenance step: it is this very thread that is in flight.
    /// </summary>
    bool IsInsideStep { get; }

    /// <summary>
    /// Saves what was acknowledged, and drains where that is wanted. Operations may still be in flight. Throws
    /// nothing.
    /// </summary>
    void Save(CloseMonitor close, ref Exception? failure);

    /// <summary>Tells the device's own operations to end.</summary>
    void Stop();

    /// <summary>
    /// After the last operation: saves what those in flight wrote meanwhile, and what is known of the backing. The
    /// task is what still uses the backing. Throws nothing.
    /// </summary>
    Task Seal(CloseMonitor close, ref Exception? failure);
}

/// <summary>A read-only device: there is nothing to save.</summary>
internal sealed class NothingToSave : ICloseSteps
{
    /// <inheritdoc/>
    public bool HasThread => false;

    /// <inheritdoc/>
    public bool IsInsideStep => false;

    /// <inheritdoc/>
    public void Save(CloseMonitor close, ref Exception? failure)
    {
        // Nothing was written.
    }

    /// <inheritdoc/>
    public void Stop()
    {
        // Nothing runs.
    }

    /// <inheritdoc/>
    public Task Seal(CloseMonitor close, ref Exception? failure) => Task.CompletedTask;
}
