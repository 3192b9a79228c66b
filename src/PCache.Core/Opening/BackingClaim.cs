using System.Runtime.CompilerServices;
using PCache.Core.Backing;
using PCache.Core.Primitives;

namespace PCache.Core.Opening;

/// <summary>
/// A writable cache's claim of its backing within the process. Keeps true: the same device or stream is behind one
/// writable cache at a time; a claim ends when it is given back, or with the engine that has it when that is garbage.
/// Files and block devices are claimed from other processes too, and by themselves: see <see cref="FileClaim"/>.
/// </summary>
internal sealed class BackingClaim
{
    private static readonly ConditionalWeakTable<object, WeakReference<BackingClaim>> Claims = [];
    private static readonly SteadyLock Gate = new();

    private readonly object _claimed;

    private BackingClaim(object claimed) => _claimed = claimed;

    /// <summary>Claims a backing.</summary>
    /// <exception cref="PCacheInUseException">Another writable cache has it.</exception>
    public static BackingClaim Take(IBlockDevice backing)
    {
        var claim = new BackingClaim(backing is IClaimed view ? view.ClaimedObject : backing);
        using (Gate.Hold())
        {
            if (Claims.TryGetValue(claim._claimed, out WeakReference<BackingClaim>? other) && other.TryGetTarget(out _))
            {
                throw new PCacheInUseException("The backing is in use by another cache of this process: a writable "
                    + "cache has its backing for itself.");
            }

            Claims.AddOrUpdate(claim._claimed, new WeakReference<BackingClaim>(claim));
        }

        return claim;
    }

    /// <summary>
    /// Gives it back. For crash tests also a device that is left behind: the simulation of the crash gives back what
    /// the process had.
    /// </summary>
    public void Release()
    {
        using (Gate.Hold())
        {
            if (Claims.TryGetValue(_claimed, out WeakReference<BackingClaim>? holder)
                && holder.TryGetTarget(out BackingClaim? claim) && claim == this)
            {
                Claims.Remove(_claimed);
            }
        }
    }
}
