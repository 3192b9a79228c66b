namespace PCache.Core.Writeback;

/// <content>The entries that cover the sweep's position: a heap, the newest on top.</content>
internal sealed partial class WritebackPlan
{
    private void PushHeap(int entry)
    {
        int at = _heapCount++;
        while (at > 0)
        {
            int parent = (at - 1) >> 1;
            if (_heap[parent] > entry)
            {
                break;
            }

            _heap[at] = _heap[parent];
            at = parent;
        }

        _heap[at] = entry;
    }

    private void PopHeap()
    {
        int moved = _heap[--_heapCount];
        int at = 0;
        while (true)
        {
            int child = (at * 2) + 1;
            if (child >= _heapCount)
            {
                break;
            }

            if (child + 1 < _heapCount && _heap[child + 1] > _heap[child])
            {
                child++;
            }

            if (_heap[child] < moved)
            {
                break;
            }

            _heap[at] = _heap[child];
            at = child;
        }

        if (_heapCount > 0)
        {
            _heap[at] = moved;
        }
    }
}
